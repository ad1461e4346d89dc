import { type CertificateInput, type ParsedCertificate, parseCertificate } from './certificate.ts';
import { type Crl, readCrl } from './crl.ts';
import { PkiError } from './errors.ts';
import { keyKind } from './keys.ts';
import { type Purpose, type PurposeRow, purposes } from './purposes.ts';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
} from './x509.ts';

export type CertificateRefusal =
  | 'UNTRUSTED'
  | 'NOT_YET_VALID'
  | 'EXPIRED'
  | 'WRONG_PURPOSE'
  | 'CRL_STALE'
  | 'REVOKED';

export type CertificateCheck =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: CertificateRefusal; readonly detail: string };

export interface CertificateCheckOptions {
  /** CAs that may stand between the certificate and an anchor; trusted only through the anchor. */
  readonly issuers: readonly CertificateInput[];
  /** Root certificates that are trusted. */
  readonly anchors: readonly CertificateInput[];
  /** CRL of the CA that issued the certificate, DER. Without it revocation is not checked. */
  readonly crl?: Uint8Array;
  readonly at: Date;
  readonly purpose: Purpose;
}

/** Longest chain, the certificate and its anchor included. */
const maxChainLength = 4;

/**
 * Checks a certificate against the trust anchors, the clock, its purpose and a CRL, in this order: what is said of
 * validity or purpose is said of an authentic certificate. RFC 5280, 6.1, without name constraints and policies: a
 * certificate that makes those critical is not trusted.
 * @throws PkiError PKI_MALFORMED when an issuer, an anchor or the CRL is malformed; a malformed certificate is UNTRUSTED
 */
export function checkCertificate(
  certificate: CertificateInput,
  options: CertificateCheckOptions,
): CertificateCheck {
  const { at, purpose } = options;
  const anchors = options.anchors.map(parseCertificate);
  const issuers = options.issuers.map(parseCertificate);
  const crl = options.crl && readCrl(options.crl);
  try {
    const leaf = parseCertificate(certificate);
    const chain = buildChain(leaf, issuers, anchors, at);
    for (const link of chain) refuseInvalidAt(link, at);
    refuseOtherPurpose(leaf, purposes[purpose]);
    if (crl) refuseRevoked(leaf, chain[1]!, crl, at);
    return { ok: true };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.reason, detail: error.message };
    if (error instanceof PkiError) return { ok: false, reason: 'UNTRUSTED', detail: error.message };
    throw error;
  }
}

class Refusal extends Error {
  readonly reason: CertificateRefusal;

  constructor(reason: CertificateRefusal, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** The certificate, its issuer, and so on up to an anchor; every signature verified, every CA fit to be one. */
function buildChain(
  leaf: ParsedCertificate,
  issuers: readonly ParsedCertificate[],
  anchors: readonly ParsedCertificate[],
  at: Date,
): ParsedCertificate[] {
  const chain = [leaf];
  refuseUnfitForChain(leaf);
  while (chain.length < maxChainLength) {
    const last = chain.at(-1)!;
    const anchor = issuerOf(last, anchors, at);
    const issuer = anchor ?? issuerOf(last, issuers, at);
    if (!issuer) break;
    refuseUnfitForChain(issuer);
    refuseUnfitCa(issuer, chain.length - 1);
    chain.push(issuer);
    if (anchor) return chain;
  }
  throw new Refusal('UNTRUSTED', 'no chain of verified signatures to a trust anchor');
}

/** The candidate that signed `certificate`; of a CA renewed under the same key the certificate that is valid. */
function issuerOf(
  { openssl }: ParsedCertificate,
  candidates: readonly ParsedCertificate[],
  at: Date,
): ParsedCertificate | undefined {
  const signers = candidates.filter(
    (candidate) => openssl.checkIssued(candidate.openssl) && openssl.verify(candidate.openssl.publicKey),
  );
  return signers.find(({ x509 }) => x509.notBefore <= at && at <= x509.notAfter) ?? signers[0];
}

/** Basic constraints, key usage, extended key usage, subject alternative name. */
const understoodExtensions = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17']);

function refuseUnfitForChain({ openssl, x509 }: ParsedCertificate): void {
  keyKind(openssl.publicKey); // refuses weak keys
  const types = x509.extensions.map(({ type }) => type);
  if (new Set(types).size < types.length) throw new Refusal('UNTRUSTED', 'an extension stands twice');
  if (x509.extensions.some(({ critical, type }) => critical && !understoodExtensions.has(type))) {
    throw new Refusal('UNTRUSTED', 'a critical extension is not understood');
  }
}

function refuseUnfitCa({ x509 }: ParsedCertificate, casBelow: number): void {
  const constraints = x509.getExtension(BasicConstraintsExtension);
  if (!constraints?.ca || !hasKeyUsage(x509.getExtension(KeyUsagesExtension), KeyUsageFlags.keyCertSign)) {
    throw new Refusal('UNTRUSTED', 'an issuer is not a CA');
  }
  if (casBelow > (constraints.pathLength ?? Number.POSITIVE_INFINITY)) {
    throw new Refusal('UNTRUSTED', 'more CAs in the chain than the path length of one allows');
  }
}

function hasKeyUsage(extension: KeyUsagesExtension | null, flag: KeyUsageFlags): boolean {
  return extension !== null && (extension.usages & flag) !== 0;
}

function refuseInvalidAt({ x509 }: ParsedCertificate, at: Date): void {
  if (at < x509.notBefore) throw new Refusal('NOT_YET_VALID', `valid from ${x509.notBefore.toISOString()}`);
  if (at > x509.notAfter) throw new Refusal('EXPIRED', `valid until ${x509.notAfter.toISOString()}`);
}

function refuseOtherPurpose(
  { openssl, x509 }: ParsedCertificate,
  { oid, keyUsage, keyKinds }: PurposeRow,
): void {
  const usages = x509.getExtension(ExtendedKeyUsageExtension)?.usages ?? [];
  if (usages.length !== 1 || usages[0] !== oid) {
    throw new Refusal('WRONG_PURPOSE', `the one extended key usage ${oid} expected`);
  }
  if (!hasKeyUsage(x509.getExtension(KeyUsagesExtension), keyUsage)) {
    throw new Refusal('WRONG_PURPOSE', `key usage ${KeyUsageFlags[keyUsage]} expected`);
  }
  if (x509.getExtension(BasicConstraintsExtension)?.ca) {
    throw new Refusal('WRONG_PURPOSE', 'an end entity expected, a CA came');
  }
  if (!keyKinds.includes(keyKind(openssl.publicKey))) {
    throw new Refusal('WRONG_PURPOSE', `a key of kind ${keyKinds.join(' or ')} expected`);
  }
}

function refuseRevoked({ openssl }: ParsedCertificate, issuer: ParsedCertificate, crl: Crl, at: Date): void {
  if (
    !Buffer.from(crl.issuer).equals(Buffer.from(issuer.x509.subjectName.toArrayBuffer())) ||
    !hasKeyUsage(issuer.x509.getExtension(KeyUsagesExtension), KeyUsageFlags.cRLSign) ||
    !crl.isSignedBy(issuer.openssl.publicKey)
  ) {
    throw new Refusal('CRL_STALE', "the CRL is not signed by the certificate's issuer");
  }
  if (crl.hasUnknownCritical)
    throw new Refusal('CRL_STALE', 'a critical extension of the CRL is not understood');
  if (at < crl.thisUpdate || !crl.nextUpdate || at > crl.nextUpdate) {
    throw new Refusal('CRL_STALE', `CRL of ${crl.thisUpdate.toISOString()} is not current`);
  }
  if (crl.isRevoked(openssl.serialNumber)) throw new Refusal('REVOKED', 'the serial number is on the CRL');
}
