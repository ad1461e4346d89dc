/** The KDH: puts a key into a token for one KRD. TR-34:2019, B.8 and B.9. */
import { buildAttributes } from './attributes.ts';
import { identifierOf, issuerAndSerialNumber, rsaPublicKey } from './certificate.ts';
import { readDer, tags } from './der.ts';
import { type DialectName, writes } from './dialects.ts';
import { encryptContent, importRsaPublicKey, type Random } from './envelope.ts';
import { buildEnvelopedData, type ContentCipher } from './enveloped-data.ts';
import { headerBytes, requireKeyLength } from './header.ts';
import { buildKeyBlock } from './key-block.ts';
import { assembleKeyToken } from './key-token.ts';
import { oids } from './oids.ts';
import { sha256 } from './signed-data.ts';
import { requireCrl, type TokenSigner } from './signing.ts';
import { checkCertificate, type Trust } from './trust.ts';

/** What makes a token fresh: in two passes the nonce of the KRD, 8 to 16 bytes; in one pass the time alone. */
export type Freshness =
  | { readonly nonce: Uint8Array; readonly signingTime?: Date }
  | { readonly nonce?: undefined; readonly signingTime: Date };

/** A key on its way to a KRD, as an HSM sees it. */
export type KeyTransport = Freshness & {
  /** In clear; not wiped here. */
  readonly key: Uint8Array;
  /** Of the key block, at least 16 characters. */
  readonly header: string;
  /** IssuerAndSerialNumber of the KDH and of the KRD, DER. */
  readonly kdh: Uint8Array;
  readonly krd: Uint8Array;
  /** PKCS#1 RSAPublicKey of the KRD, DER. */
  readonly krdPublicKey: Uint8Array;
  /** Left out: `aes-128-cbc`. */
  readonly contentCipher?: ContentCipher;
  /** Left out: `aws`, the form of payShield's answers. */
  readonly dialect?: DialectName;
};

/** The parts of a key token that are made where the key is. */
export interface SealedKey {
  /** DER of a SET: the bytes to be signed. */
  readonly authenticatedAttributes: Uint8Array;
  /** DER, with the tag and length of its SEQUENCE. */
  readonly envelopedData: Uint8Array;
}

/**
 * The work of an HSM in payShield's B8: encrypts the key for the KRD and signs. Called by an HSM, never by a host.
 * The HSM has judged the KRD certificate and the nonce before.
 * @param sign RSASSA-PKCS1-v1_5 with SHA-256 by the KDH's private key
 * @throws TR34_HEADER_INVALID, TR34_KEY_LENGTH, TR34_NONCE_LENGTH, TR34_MALFORMED, TR34_CERTIFICATE_KEY
 */
export function exportKey(
  transport: KeyTransport,
  sign: (data: Uint8Array) => Uint8Array,
  random: Random,
): SealedKey & { readonly signature: Uint8Array } {
  const sealed = sealKey(transport, random);
  return { ...sealed, signature: sign(sealed.authenticatedAttributes) };
}

function sealKey(transport: KeyTransport, random: Random): SealedKey {
  const { key, header, nonce, signingTime, dialect = 'aws' } = transport;
  headerBytes(header);
  requireKeyLength(key, header);
  const envelopedData = buildEnvelope(transport, dialect, random);
  const content = writes(dialect, 'content-without-sequence')
    ? readDer(envelopedData, tags.sequence, 'EnvelopedData').content
    : envelopedData;
  const authenticatedAttributes = buildAttributes(
    {
      contentType: oids.envelopedData,
      messageDigest: sha256(content),
      ...(nonce && { nonce }),
      ...(signingTime && { signingTime }),
      keyBlockHeader: header,
    },
    dialect,
  );
  return { authenticatedAttributes, envelopedData };
}

function buildEnvelope(transport: KeyTransport, dialect: DialectName, random: Random): Uint8Array {
  const { kdh, krd, key, header, krdPublicKey, contentCipher: cipher = 'aes-128-cbc' } = transport;
  const shortIv = cipher === 'aes-128-cbc' && writes(dialect, 'aes-iv-of-8-bytes');
  const krdKey = importRsaPublicKey(krdPublicKey);
  const keyBlock = buildKeyBlock({ kdh, key, header }, dialect);
  try {
    const encrypted = encryptContent(keyBlock, cipher, krdKey, random, shortIv);
    return buildEnvelopedData({ recipient: krd, cipher, ...encrypted }, dialect);
  } finally {
    keyBlock.fill(0);
  }
}

/** A key token to be made by a KDH that has the key in clear. */
export type KeyOrder = Freshness & {
  /** In clear; not wiped here. */
  readonly key: Uint8Array;
  /** Of the key block, at least 16 characters. */
  readonly header: string;
  /** DER; judged by `trust` before anything is encrypted for it. */
  readonly krdCertificate: Uint8Array;
  readonly trust: Trust;
  /** CRL of the KDH's CA, DER. */
  readonly crl?: Uint8Array;
  /** Left out: `aes-128-cbc`. */
  readonly contentCipher?: ContentCipher;
  /** Left out: `strict`. */
  readonly dialect?: DialectName;
};

/**
 * KT_KDH. Called by the KDH; the signing key may live in an HSM.
 * @throws TR34_CERTIFICATE_*, TR34_CRL_* for the KRD certificate; TR34_HEADER_INVALID, TR34_KEY_LENGTH,
 *   TR34_NONCE_LENGTH, TR34_CRL_ABSENT
 */
export async function makeKeyToken(
  order: KeyOrder,
  signer: TokenSigner,
  random: Random,
): Promise<Uint8Array<ArrayBuffer>> {
  const { krdCertificate, trust, crl, dialect = 'strict' } = order;
  requireCrl(crl, dialect);
  const krd = identifierOf(checkCertificate(krdCertificate, 'KRD', trust).certificate);
  const kdh = issuerAndSerialNumber(signer.certificate);
  const sealed = sealKey({ ...order, kdh, krd, krdPublicKey: rsaPublicKey(krdCertificate), dialect }, random);
  const signature = await signer.sign(sealed.authenticatedAttributes);
  return assembleKeyToken({ ...sealed, signature, signer: kdh, ...(crl && { crl }), dialect });
}
