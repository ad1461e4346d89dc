/**
 * SignedData, the envelope of every token but the random token. RFC 5652, 5.
 *
 *   SignedData ::= SEQUENCE { version, digestAlgorithms SET, encapContentInfo, certificates [0], crls [1], signerInfos SET }
 */
import { createHash, verify } from 'node:crypto';
import { algorithmOf, requireAlgorithm } from './algorithm.ts';
import { parseAttributes, type SignedAttributes } from './attributes.ts';
import { type Certificate, identifierOf, parseCertificate, rsaKeyOf } from './certificate.ts';
import {
  concat,
  contextTag,
  type Der,
  DerReader,
  derOrder,
  encode,
  equalBytes,
  nullValue,
  octetString,
  oid,
  oidOf,
  openDer,
  readDer,
  sequence,
  setOf,
  smallInteger,
  smallIntegerOf,
  tags,
} from './der.ts';
import { type DialectName, Reading, writes } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';

export interface SignedData {
  /** Dotted form. */
  readonly contentType: string;
  /** Octets of eContent: what the digest is over. */
  readonly content: Uint8Array | undefined;
  /** As DER. */
  readonly certificates: readonly Uint8Array[];
  /** As DER. */
  readonly crls: readonly Uint8Array[];
  readonly signer: SignerInfo | undefined;
}

export interface SignerInfo {
  /** IssuerAndSerialNumber as DER. */
  readonly identifier: Uint8Array;
  /** Content of the SET as encoded; undefined where the signature is over the content. */
  readonly attributeBytes: Uint8Array | undefined;
  readonly attributes: SignedAttributes | undefined;
  readonly signature: Uint8Array;
}

const sha256Identifier = sequence(oid(oids.sha256)); // without parameters: RFC 5754, 2

/** Reads a token in its ContentInfo. @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED */
export function parseSignedToken(token: Uint8Array, reading: Reading): SignedData {
  const info = openDer(token, tags.sequence, 'ContentInfo');
  const contentType = oidOf(info.any('contentType'));
  if (contentType !== oids.signedData) {
    throw new Tr34Error('TR34_MALFORMED', `ContentInfo: expected SignedData, got ${contentType}`);
  }
  const content = info.next(contextTag(0), 'content').content;
  info.end();
  return parseSignedData(readDer(content, tags.sequence, 'SignedData').content, reading);
}

/** Reads the members of a SignedData. */
export function parseSignedData(members: Uint8Array, reading: Reading): SignedData {
  const reader = new DerReader(members, 'SignedData');
  const version = smallIntegerOf(reader.next(tags.integer, 'version'));
  const digestAlgorithms = reader.enter(tags.set, 'digestAlgorithms').rest(tags.sequence, 'digestAlgorithm');
  for (const algorithm of digestAlgorithms) requireSha256(algorithm);
  const { contentType, content } = parseContent(reader.enter(tags.sequence, 'encapContentInfo'));
  requireVersion(version, contentType, reading);
  const certificates = reader.optional(contextTag(0), 'certificates');
  let crls = reader.optional(contextTag(1), 'crls');
  const signerInfos = reader.enter(tags.set, 'signerInfos').rest(tags.sequence, 'signerInfo');
  if (!crls) {
    crls = reader.optional(contextTag(1), 'crls');
    if (crls) reading.meet('signer-infos-before-crls');
  }
  reader.end();
  const [signerInfo, another] = signerInfos;
  if (another || digestAlgorithms.length !== signerInfos.length) {
    const came = `${digestAlgorithms.length} and ${signerInfos.length}`;
    throw new Tr34Error(
      'TR34_MALFORMED',
      `SignedData: expected at most one digest algorithm and signer, got ${came}`,
    );
  }
  return {
    contentType,
    content,
    certificates: membersOf(certificates, 'certificates'),
    crls: membersOf(crls, 'crls'),
    signer: signerInfo && parseSignerInfo(signerInfo.content, reading),
  };
}

function parseContent(info: DerReader): { contentType: string; content: Uint8Array | undefined } {
  const contentType = oidOf(info.any('eContentType'));
  const explicit = info.optional(contextTag(0), 'eContent');
  info.end();
  return {
    contentType,
    content: explicit && readDer(explicit.content, tags.octetString, 'eContent').content,
  };
}

/** RFC 5652, 5.1: 1 for id-data, else 3, as all certificates are X.509 and the signer is named by issuer and serial. */
function requireVersion(version: number, contentType: string, reading: Reading): void {
  if (contentType !== oids.data && (version === 1 || version === 3)) reading.meetVersion(version);
  else if (version !== 1)
    throw new Tr34Error('TR34_MALFORMED', `SignedData: expected version 1 or 3, got ${version}`);
}

const membersOf = (set: Der | undefined, field: string): Uint8Array[] =>
  set ? new DerReader(set.content, field).rest(tags.sequence, 'member').map(({ bytes }) => bytes) : [];

// SignerInfo ::= SEQUENCE { version 1, sid, digestAlgorithm, signedAttrs [0], signatureAlgorithm, signature }
function parseSignerInfo(members: Uint8Array, reading: Reading): SignerInfo {
  const reader = new DerReader(members, 'SignerInfo');
  const version = smallIntegerOf(reader.next(tags.integer, 'version'));
  if (version !== 1) throw new Tr34Error('TR34_MALFORMED', `SignerInfo: expected version 1, got ${version}`);
  const identifier = reader.next(tags.sequence, 'sid').bytes;
  requireSha256(reader.next(tags.sequence, 'digestAlgorithm'));
  const attributeBytes = reader.optional(contextTag(0), 'signedAttrs')?.content;
  if (!attributeBytes) reading.meet('signed-attributes-absent');
  requireSignatureAlgorithm(reader.next(tags.sequence, 'signatureAlgorithm'), reading);
  const signature = reader.next(tags.octetString, 'signature').content;
  reader.end();
  return {
    identifier,
    attributeBytes,
    attributes: attributeBytes && parseAttributes(attributeBytes, reading),
    signature,
  };
}

function requireSha256(algorithm: Der): void {
  requireAlgorithm(algorithm, oids.sha256);
}

function requireSignatureAlgorithm(algorithm: Der, reading: Reading): void {
  const asKey = algorithmOf(algorithm) === oids.rsaEncryption;
  reading.meetSignatureAlgorithm(asKey);
  requireAlgorithm(algorithm, asKey ? oids.rsaEncryption : oids.sha256WithRsaEncryption);
}

/**
 * The content of a token as DER of its SEQUENCE, whose tag and length some leave out (then it begins with the version).
 */
export function contentSequence(content: Uint8Array | undefined, reading: Reading): Uint8Array {
  if (!content) throw new Tr34Error('TR34_MALFORMED', 'SignedData: expected eContent, got none');
  if (content[0] !== tags.integer) return readDer(content, tags.sequence, 'eContent').content;
  reading.meet('content-without-sequence');
  return content;
}

/** SHA-256, as every digest in TR-34. */
export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/**
 * Verifies that the key of `certificate` signed: over the attributes as encoded, with the tag of a SET (RFC 5652, 5.4),
 * and the digest in them; without attributes, over the content. Where the dialect has it, over the attributes in DER
 * order, too. The certificate itself is not judged.
 * @throws TR34_SIGNER_UNKNOWN, TR34_SIGNATURE_INVALID, TR34_CERTIFICATE_KEY
 */
export function verifySignedBy(signedData: SignedData, certificate: Certificate, reading: Reading): void {
  const { content, contentType, signer } = signedData;
  if (!signer || !equalBytes(signer.identifier, identifierOf(certificate))) {
    throw new Tr34Error(
      'TR34_SIGNER_UNKNOWN',
      'expected a token signed by the given certificate, got another signer',
    );
  }
  const key = rsaKeyOf(certificate);
  const refused = () => new Tr34Error('TR34_SIGNATURE_INVALID', 'signature verification failed');
  const { attributes, attributeBytes, signature } = signer;
  const verifies = (signed: Uint8Array) => verify('sha256', signed, key, signature);
  if (!content) throw refused();
  if (!attributes || !attributeBytes) {
    if (contentType !== oids.data || !verifies(content)) throw refused();
    return;
  }
  if (attributes.contentType !== contentType || !equalBytes(attributes.messageDigest, sha256(content)))
    throw refused();
  if (verifies(encode(tags.set, attributeBytes))) return;
  const list = new DerReader(attributeBytes, 'signedAttrs').rest(tags.sequence, 'attribute');
  if (!verifies(setOf(...list.map(({ bytes }) => bytes)))) throw refused();
  reading.meet('signed-over-sorted-attributes');
}

/**
 * Verifies that the key of `certificate` (DER) signed a token of any kind. The certificate is judged by
 * `checkCertificate`.
 * @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED, TR34_SIGNER_UNKNOWN, TR34_SIGNATURE_INVALID,
 *   TR34_CERTIFICATE_KEY
 */
export function verifyToken(token: Uint8Array, certificate: Uint8Array, dialect?: DialectName): void {
  const reading = new Reading(dialect);
  verifySignedBy(parseSignedToken(token, reading), parseCertificate(certificate), reading);
}

/** What a SignedData is built from. */
export interface SignedDataParts {
  readonly contentType: string;
  readonly content?: Uint8Array;
  readonly certificates?: readonly Uint8Array[];
  readonly crls?: readonly Uint8Array[];
  readonly signer?: {
    readonly identifier: Uint8Array;
    /** Attributes as encoded, content of the SET. */
    readonly attributeBytes?: Uint8Array;
    readonly signature: Uint8Array;
  };
}

/** A token: SignedData in a ContentInfo. */
export function buildSignedToken(parts: SignedDataParts, dialect: DialectName): Uint8Array<ArrayBuffer> {
  const members = buildSignedData(parts, dialect);
  return sequence(oid(oids.signedData), encode(contextTag(0), sequence(members)));
}

/** The members of a SignedData. */
export function buildSignedData(parts: SignedDataParts, dialect: DialectName): Uint8Array<ArrayBuffer> {
  const { contentType, content, certificates = [], crls = [], signer } = parts;
  const version = contentType === oids.data || writes(dialect, 'signed-data-version-1') ? 1 : 3;
  const taggedSet = (number: number, members: readonly Uint8Array[]) =>
    members.length > 0 ? [encode(contextTag(number), ...derOrder(members))] : [];
  const signerInfos = setOf(...(signer ? [buildSignerInfo(signer, dialect)] : []));
  const revocation = taggedSet(1, crls);
  return concat(
    smallInteger(version),
    setOf(...(signer ? [sha256Identifier] : [])),
    sequence(oid(contentType), ...(content ? [encode(contextTag(0), octetString(content))] : [])),
    ...taggedSet(0, certificates),
    ...(writes(dialect, 'signer-infos-before-crls')
      ? [signerInfos, ...revocation]
      : [...revocation, signerInfos]),
  );
}

function buildSignerInfo(signer: NonNullable<SignedDataParts['signer']>, dialect: DialectName): Uint8Array {
  const asKey = writes(dialect, 'rsa-encryption-as-signature-algorithm');
  return sequence(
    smallInteger(1),
    signer.identifier,
    sha256Identifier,
    ...(signer.attributeBytes ? [encode(contextTag(0), signer.attributeBytes)] : []),
    sequence(oid(asKey ? oids.rsaEncryption : oids.sha256WithRsaEncryption), nullValue),
    octetString(signer.signature),
  );
}
