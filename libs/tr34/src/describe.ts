/** Any token as text for people. Nothing is verified. */
import { readBindingToken } from './binding-tokens.ts';
import { parseCertificate } from './certificate.ts';
import { parseCrl } from './crl.ts';
import { DerReader, oidOf, openDer, tags } from './der.ts';
import { type Deviation, type DialectName, Reading } from './dialects.ts';
import type { ContentCipher } from './enveloped-data.ts';
import { Tr34Error } from './errors.ts';
import { readKeyToken } from './key-token.ts';
import { nameText } from './names.ts';
import { oids } from './oids.ts';
import { parseRandomToken } from './random-token.ts';
import { parseSignedToken, type SignedData } from './signed-data.ts';

/** Names of the tokens in TR-34. */
export type TokenKind =
  | 'RT_KRD'
  | 'CT_KRD'
  | 'CT_KDH'
  | 'KT_KDH'
  | 'UBT_KDH'
  | 'RBT_KDH'
  | 'UBT_CA'
  | 'RBT_CA';

/** IssuerAndSerialNumber as text: RFC 4514, and upper-case hex. */
export interface IdentifierText {
  readonly issuer: string;
  readonly serialNumber: string;
}

/** What a token says, ready for JSON. Binary values are upper-case hex, times ISO 8601. */
export interface TokenDescription {
  readonly kind: TokenKind;
  /** The first dialect that fits, and in what it differs from RFC 5652. A random token has none. */
  readonly dialect?: DialectName;
  readonly deviations: readonly Deviation[];
  readonly signer?: IdentifierText;
  /** Whom a key token is for. */
  readonly recipient?: IdentifierText;
  /** Whom an unbind or rebind names. */
  readonly krd?: IdentifierText;
  readonly kdh?: IdentifierText;
  readonly nonce?: string;
  readonly signingTime?: string;
  /** Of the key block in a key token. */
  readonly header?: string;
  readonly contentCipher?: ContentCipher;
  readonly certificates: readonly (IdentifierText & {
    readonly subject: string;
    readonly notBefore: string;
    readonly notAfter: string;
  })[];
  readonly crls: readonly {
    readonly issuer: string;
    readonly thisUpdate: string;
    readonly nextUpdate: string | null;
    readonly revoked: readonly string[];
  }[];
}

/**
 * Describes a token of any kind.
 * @param dialect the one to read by; left out: any of `strict`, `annex-b-2019`, `aws`
 * @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED, TR34_NONCE_LENGTH, TR34_HEADER_INVALID
 */
export function describeToken(token: Uint8Array, dialect?: DialectName): TokenDescription {
  if (oidOf(openDer(token, tags.sequence, 'token').any('type')) === oids.randomNonce) {
    return {
      kind: 'RT_KRD',
      deviations: [],
      nonce: hex(parseRandomToken(token)),
      certificates: [],
      crls: [],
    };
  }
  const reading = new Reading(dialect);
  const signedData = parseSignedToken(token, reading);
  const description = describeSigned(token, signedData, reading);
  return { ...description, dialect: reading.dialect, deviations: reading.deviations };
}

function describeSigned(token: Uint8Array, signedData: SignedData, reading: Reading): TokenDescription {
  const crls = signedData.crls.map(crlText);
  if (!signedData.signer) {
    if (signedData.content) {
      throw new Tr34Error(
        'TR34_MALFORMED',
        'expected a token, got SignedData with content and without a signer',
      );
    }
    const kind = crls.length > 0 ? 'CT_KDH' : 'CT_KRD';
    return { kind, deviations: [], certificates: signedData.certificates.map(certificateText), crls };
  }
  if (signedData.contentType === oids.envelopedData) {
    const { signer, envelopedData, header, nonce, signingTime } = readKeyToken(token, reading);
    return {
      kind: 'KT_KDH',
      deviations: [],
      signer: identifierText(signer),
      recipient: identifierText(envelopedData.recipient),
      ...freshnessText(nonce, signingTime),
      header,
      contentCipher: envelopedData.cipher,
      certificates: signedData.certificates.map(certificateText),
      crls,
    };
  }
  const { signer, krd, kdh, newKdhCertificate, nonce, signingTime } = readBindingToken(token, reading);
  return {
    kind: `${newKdhCertificate ? 'RBT' : 'UBT'}_${kdh ? 'CA' : 'KDH'}`,
    deviations: [],
    signer: identifierText(signer),
    krd: identifierText(krd),
    ...(kdh && { kdh: identifierText(kdh) }),
    ...freshnessText(nonce, signingTime),
    certificates: newKdhCertificate ? [certificateText(newKdhCertificate)] : [],
    crls,
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();

const freshnessText = (nonce: Uint8Array | undefined, signingTime: Date | undefined) => ({
  ...(nonce && { nonce: hex(nonce) }),
  ...(signingTime && { signingTime: signingTime.toISOString() }),
});

function identifierText(identifier: Uint8Array): IdentifierText {
  const reader = openDer(identifier, tags.sequence, 'IssuerAndSerialNumber');
  const issuer = nameText(reader.next(tags.sequence, 'issuer').bytes);
  const serialNumber = serialText(reader.next(tags.integer, 'serialNumber').bytes);
  reader.end();
  return { issuer, serialNumber };
}

function certificateText(der: Uint8Array) {
  const { subject, issuer, serialNumber, notBefore, notAfter } = parseCertificate(der);
  return {
    subject: nameText(subject),
    issuer: nameText(issuer),
    serialNumber: serialText(serialNumber),
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
  };
}

function crlText(der: Uint8Array) {
  const { issuer, thisUpdate, nextUpdate, revoked } = parseCrl(der);
  return {
    issuer: nameText(issuer),
    thisUpdate: thisUpdate.toISOString(),
    nextUpdate: nextUpdate?.toISOString() ?? null,
    revoked: revoked.map(serialText),
  };
}

/** As OpenSSL prints it: without the octet that only keeps the sign. */
const serialText = (integer: Uint8Array): string => {
  const digits = hex(new DerReader(integer, 'serialNumber').any('value').content);
  return digits.length > 2 && digits.startsWith('00') ? digits.slice(2) : digits;
};
