/** X.509 certificates as far as TR-34 needs them. RFC 5280, 4.1 and 4.2. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { algorithmOf } from './algorithm.ts';
import {
  bitStringOctets,
  contextTag,
  type Der,
  DerReader,
  equalBytes,
  oidOf,
  openDer,
  readDer,
  sequence,
  smallIntegerOf,
  tags,
  timeOf,
} from './der.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';

/** KeyUsage ::= BIT STRING, in bit order. RFC 5280, 4.2.1.3. */
export const keyUsages = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof keyUsages)[number];

/** The SIGNED{} of RFC 5280: a certificate or a CRL. */
export interface Signed {
  readonly tbs: Der;
  /** AlgorithmIdentifier as DER. */
  readonly algorithm: Der;
  readonly signature: Uint8Array;
}

export interface Certificate extends Signed {
  readonly der: Uint8Array;
  /** The INTEGER as DER. */
  readonly serialNumber: Uint8Array;
  /** Names as DER; they are compared as encoded. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo as DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
  readonly keyUsage: readonly KeyUsage[] | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Critical extensions that this package does not evaluate. */
  readonly unknownCritical: readonly string[];
}

/** DER of `IssuerAndSerialNumber` (RFC 5652, 10.2.4) of a certificate: how TR-34 names a KDH or a KRD. */
export function issuerAndSerialNumber(certificate: Uint8Array): Uint8Array<ArrayBuffer> {
  return identifierOf(parseCertificate(certificate));
}

/**
 * DER of `RSAPublicKey` (PKCS#1, RFC 8017, A.1.1) of a certificate, as payShield B8 takes it.
 * @throws TR34_CERTIFICATE_KEY when the key is not RSA of 2048 to 4096 bits
 */
export function rsaPublicKey(certificate: Uint8Array): Uint8Array {
  const parsed = parseCertificate(certificate);
  rsaKeyOf(parsed);
  return parsePublicKeyInfo(parsed).key;
}

/** @throws TR34_MALFORMED */
export function parseCertificate(der: Uint8Array): Certificate {
  const signed = parseSigned(der, 'Certificate');
  const tbs = new DerReader(signed.tbs.content, 'TBSCertificate');
  tbs.optional(contextTag(0), 'version');
  const serialNumber = tbs.next(tags.integer, 'serialNumber').bytes;
  requireSameAlgorithm(tbs.next(tags.sequence, 'signature'), signed);
  const issuer = tbs.next(tags.sequence, 'issuer').bytes;
  const validity = tbs.enter(tags.sequence, 'validity');
  const notBefore = timeOf(validity.any('notBefore'));
  const notAfter = timeOf(validity.any('notAfter'));
  const subject = tbs.next(tags.sequence, 'subject').bytes;
  const publicKeyInfo = tbs.next(tags.sequence, 'subjectPublicKeyInfo').bytes;
  tbs.optional(0x81, 'issuerUniqueID');
  tbs.optional(0x82, 'subjectUniqueID');
  const extensions = parseExtensions(tbs.optional(contextTag(3), 'extensions'));
  tbs.end();
  const basicConstraints = extensions.value(oids.basicConstraints);
  const keyUsage = extensions.value(oids.keyUsage);
  const extendedKeyUsage = extensions.value(oids.extendedKeyUsage);
  return {
    ...signed,
    der,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKeyInfo,
    ...parseBasicConstraints(basicConstraints),
    keyUsage: keyUsage && parseKeyUsage(keyUsage),
    extendedKeyUsage: extendedKeyUsage && parseExtendedKeyUsage(extendedKeyUsage),
    unknownCritical: extensions.criticalExcept(evaluatedExtensions),
  };
}

const evaluatedExtensions: readonly string[] = [
  oids.keyUsage,
  oids.basicConstraints,
  oids.extendedKeyUsage,
  // Critical when the subject is empty; TR-34 identifies by issuer and serial.
  oids.subjectAltName,
];

/** @throws TR34_MALFORMED */
export function parseSigned(der: Uint8Array, structure: string): Signed {
  const signed = openDer(der, tags.sequence, structure);
  const tbs = signed.next(tags.sequence, 'toBeSigned');
  const algorithm = signed.next(tags.sequence, 'signatureAlgorithm');
  const signature = bitStringOctets(signed.any('signature'));
  signed.end();
  return { tbs, algorithm, signature };
}

/** RFC 5280, 4.1.1.2: the identifier outside, which is not signed, is the one inside, which is. */
export function requireSameAlgorithm(inside: Der, { algorithm }: Signed): void {
  if (!equalBytes(inside.bytes, algorithm.bytes)) {
    throw new Tr34Error('TR34_MALFORMED', 'expected the same signature algorithm inside and outside');
  }
}

/** The extensions of a certificate or of a CRL. An extension that is evaluated must not come twice. */
export function parseExtensions(tagged: Der | undefined) {
  const list = tagged
    ? openDer(tagged.content, tags.sequence, 'Extensions').rest(tags.sequence, 'extension')
    : [];
  const extensions = list.map(({ content }) => {
    const extension = new DerReader(content, 'Extension');
    const id = oidOf(extension.any('extnID'));
    const critical = extension.optional(tags.boolean, 'critical')?.content[0] === 0xff;
    const value = extension.next(tags.octetString, 'extnValue').content;
    extension.end();
    return { id, critical, value };
  });
  return {
    value(id: string): Uint8Array | undefined {
      const [found, again] = extensions.filter((extension) => extension.id === id);
      if (again) throw new Tr34Error('TR34_MALFORMED', `expected extension ${id} once, got it again`);
      return found?.value;
    },
    criticalExcept(known: readonly string[]): string[] {
      return extensions.filter(({ id, critical }) => critical && !known.includes(id)).map(({ id }) => id);
    },
  };
}

function parseBasicConstraints(value: Uint8Array | undefined) {
  if (!value) return { isCa: false, pathLength: undefined };
  const constraints = openDer(value, tags.sequence, 'BasicConstraints');
  const isCa = constraints.optional(tags.boolean, 'cA')?.content[0] === 0xff;
  const pathLength = constraints.optional(tags.integer, 'pathLenConstraint');
  return { isCa, pathLength: pathLength && smallIntegerOf(pathLength) };
}

function parseKeyUsage(value: Uint8Array): KeyUsage[] {
  const bits = readDer(value, tags.bitString, 'KeyUsage').content.subarray(1);
  return keyUsages.filter((_, bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0);
}

function parseExtendedKeyUsage(value: Uint8Array): string[] {
  return openDer(value, tags.sequence, 'ExtKeyUsageSyntax').rest(tags.oid, 'keyPurposeId').map(oidOf);
}

/** DER of `IssuerAndSerialNumber`. */
export function identifierOf({ issuer, serialNumber }: Certificate): Uint8Array<ArrayBuffer> {
  return sequence(issuer, serialNumber);
}

/** SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }. RFC 5280, 4.1. */
function parsePublicKeyInfo({ publicKeyInfo }: Certificate): { algorithm: string; key: Uint8Array } {
  const reader = openDer(publicKeyInfo, tags.sequence, 'SubjectPublicKeyInfo');
  const algorithm = algorithmOf(reader.next(tags.sequence, 'algorithm'));
  const key = bitStringOctets(reader.any('subjectPublicKey'));
  reader.end();
  return { algorithm, key };
}

/** @throws TR34_CERTIFICATE_KEY */
function publicKeyOf(certificate: Certificate): KeyObject {
  const { algorithm, key } = parsePublicKeyInfo(certificate);
  try {
    // OpenSSL 3 reads an RSA key as PKCS#1 in 5 µs, as SubjectPublicKeyInfo in 110 µs: more than a verification takes.
    return algorithm === oids.rsaEncryption
      ? createPublicKey({ key: Buffer.from(key), format: 'der', type: 'pkcs1' })
      : createPublicKey({ key: Buffer.from(certificate.publicKeyInfo), format: 'der', type: 'spki' });
  } catch {
    throw new Tr34Error('TR34_CERTIFICATE_KEY', 'expected a public key, got one that OpenSSL does not read');
  }
}

/**
 * The key of a KDH, a KRD or a CA that signs tokens: RSA, 2048 to 4096 bits.
 * @throws TR34_CERTIFICATE_KEY
 */
export function rsaKeyOf(certificate: Certificate): KeyObject {
  const key = publicKeyOf(certificate);
  requireRsa(key);
  return key;
}

/**
 * RSA of 2048 to 4096 bits with an odd exponent of at least 3: with 0 or 1, RSA would not encrypt at all.
 * @throws TR34_CERTIFICATE_KEY
 */
export function requireRsa({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): void {
  const { modulusLength: bits = 0, publicExponent: exponent = 0n } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType !== 'rsa' || bits < 2048 || bits > 4096 || exponent < 3n || exponent % 2n === 0n) {
    const came =
      asymmetricKeyType === 'rsa' ? `${bits} bits, exponent ${exponent}` : String(asymmetricKeyType);
    throw new Tr34Error(
      'TR34_CERTIFICATE_KEY',
      `expected RSA of 2048 to 4096 bits, exponent at least 3, got ${came}`,
    );
  }
}

/** RFC 4055, 5 and RFC 5758, 3.2. */
const digests: Readonly<Record<string, string>> = {
  [oids.sha256WithRsaEncryption]: 'sha256',
  [oids.sha384WithRsaEncryption]: 'sha384',
  [oids.sha512WithRsaEncryption]: 'sha512',
  [oids.ecdsaWithSha256]: 'sha256',
  [oids.ecdsaWithSha384]: 'sha384',
};

/** Whether the issuer's key signed it. An unknown algorithm counts as not signed. */
export function isSignedBy(signed: Signed, issuer: Certificate): boolean {
  const digest = digests[algorithmOf(signed.algorithm)];
  const key = publicKeyOf(issuer);
  try {
    return digest !== undefined && verify(digest, signed.tbs.bytes, key, signed.signature);
  } catch {
    return false; // a key of another kind than the algorithm
  }
}
