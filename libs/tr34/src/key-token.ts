/** KT_KDH, the key token: SignedData over EnvelopedData over the key block. TR-34:2019, B.8 (one-pass), B.9 (two-pass). */
import { parseAttributes } from './attributes.ts';
import { contextTag, DerReader, equalBytes, readDer, tags } from './der.ts';
import { type Deviation, type DialectName, Reading, writes } from './dialects.ts';
import { type EnvelopedData, parseEnvelopedData } from './enveloped-data.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';
import {
  buildSignedToken,
  contentSequence,
  parseSignedToken,
  type SignedData,
  sha256,
} from './signed-data.ts';
import { requireCrl } from './signing.ts';

/** What a KT_KDH says without the KRD's private key. Nothing of it is verified. */
export interface KeyToken {
  readonly signedData: SignedData;
  readonly envelopedData: EnvelopedData;
  /** IssuerAndSerialNumber of the KDH, DER. */
  readonly signer: Uint8Array;
  /** The header that was signed, at least 16 characters. Its length field means nothing. */
  readonly header: string;
  /** Two-pass: 8 to 16 bytes. */
  readonly nonce: Uint8Array | undefined;
  readonly signingTime: Date | undefined;
}

/** Reads a key token. @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED */
export function readKeyToken(token: Uint8Array, reading: Reading): KeyToken {
  const signedData = parseSignedToken(token, reading);
  const { contentType, content, signer } = signedData;
  if (contentType !== oids.envelopedData) {
    throw new Tr34Error('TR34_MALFORMED', `KT_KDH: expected EnvelopedData, got ${contentType}`);
  }
  const envelopedData = parseEnvelopedData(contentSequence(content, reading), reading);
  const header = signer?.attributes?.keyBlockHeader;
  if (!signer?.attributes || header === undefined) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      'KT_KDH: expected one signer and the key block header as a signed attribute',
    );
  }
  const { nonce, signingTime } = signer.attributes;
  return { signedData, envelopedData, signer: signer.identifier, header, nonce, signingTime };
}

/**
 * Reads a key token, without verifying anything.
 * @param dialect the one to read by; left out: any of `strict`, `annex-b-2019`, `aws`
 * @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED
 */
export function parseKeyToken(
  token: Uint8Array,
  dialect?: DialectName,
): KeyToken & { readonly dialect: DialectName; readonly deviations: readonly Deviation[] } {
  const reading = new Reading(dialect);
  const keyToken = readKeyToken(token, reading);
  return { ...keyToken, dialect: reading.dialect, deviations: reading.deviations };
}

/** The parts of a key token that an HSM returns (payShield B8), and what only the host knows. */
export interface KeyTokenParts {
  /** As the HSM returned them, DER with the tag of a SET or of `[0]`; the bytes that are signed are kept. */
  readonly authenticatedAttributes: Uint8Array;
  /** DER, with the tag and length of its SEQUENCE. */
  readonly envelopedData: Uint8Array;
  readonly signature: Uint8Array;
  /** IssuerAndSerialNumber of the KDH certificate, DER. */
  readonly signer: Uint8Array;
  /** CRL of the KDH's CA, DER. */
  readonly crl?: Uint8Array;
  /** Of the CMS around the parts. Left out: `aws`, which is what payShield's parts fit. */
  readonly dialect?: DialectName;
}

/**
 * KT_KDH from the parts that an HSM returned. Called by the KDH. Of the two forms of the content (with and without
 * the tag of its SEQUENCE) it takes the one that the HSM digested. The signature is not verified: see
 * `verifyToken`.
 * @throws TR34_MALFORMED when the digest in the attributes fits neither form; TR34_CRL_ABSENT
 */
export function assembleKeyToken(parts: KeyTokenParts): Uint8Array<ArrayBuffer> {
  const { authenticatedAttributes, envelopedData, signature, signer, crl, dialect = 'aws' } = parts;
  requireCrl(crl, dialect);
  const attributeBytes = attributeContent(authenticatedAttributes);
  const { messageDigest } = parseAttributes(attributeBytes, new Reading(dialect));
  const members = readDer(envelopedData, tags.sequence, 'EnvelopedData').content;
  const forms = writes(dialect, 'content-without-sequence')
    ? [members, envelopedData]
    : [envelopedData, members];
  const content = forms.find((form) => equalBytes(sha256(form), messageDigest));
  if (!content) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      'expected attributes with the digest of the EnvelopedData, got another digest',
    );
  }
  return buildSignedToken(
    {
      contentType: oids.envelopedData,
      content,
      crls: crl ? [crl] : [],
      signer: { identifier: readDer(signer, tags.sequence, 'signer').bytes, attributeBytes, signature },
    },
    dialect,
  );
}

function attributeContent(attributes: Uint8Array): Uint8Array {
  const reader = new DerReader(attributes, 'authenticatedAttributes');
  const { content } = reader.optional(contextTag(0), 'value') ?? reader.next(tags.set, 'value');
  reader.end();
  return content;
}
