import { AsnConvert } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  ExtendedKeyUsage,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  KeyUsage,
  KeyUsageFlags,
} from '@peculiar/asn1-x509';
import { type Certificate, type CertificateInput, readCertificate } from './certificate.ts';
import { type Crl, readCrl } from './crl.ts';
import { PkiError } from './errors.ts';
import { keyKind } from './keys.ts';
import { type Purpose, type PurposeRow, purposes } from './purposes.ts';

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
  /** CRL of the CA that issued the certificate, DER or read already. Without it revocation is not checked. */
  readonly crl?: Uint8Array | Crl;
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
  const anchors = options.anchors.map(readCertificate);
  const issuers = options.issuers.map(readCertificate);
  const crl = options.crl instanceof Uint8Array ? readCrl(options.crl) : options.crl;
  try {
    const leaf = readCertificate(certificate);
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
  leaf: Certificate,
  issuers: readonly Certificate[],
  anchors: readonly Certificate[],
  at: Date,
): Certificate[] {
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
  { openssl }: Certificate,
  candidates: readonly Certificate[],
  at: Date,
): Certificate | undefined {
  const signers = candidates.filter(
    (candidate) => openssl.checkIssued(candidate.openssl) && openssl.verify(candidate.key),
  );
  return signers.find(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter) ?? signers[0];
}

const understoodExtensions = new Set([
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_extKeyUsage,
  id_ce_subjectAltName,
]);

function refuseUnfitForChain({ key, tbs }: Certificate): void {
  keyKind(key); // refuses weak keys
  const extensions = tbs.extensions ?? [];
  if (new Set(extensions.map(({ extnID }) => extnID)).size < extensions.length) {
    throw new Refusal('UNTRUSTED', 'an extension stands twice');
  }
  if (extensions.some(({ critical, extnID }) => critical && !understoodExtensions.has(extnID))) {
    throw new Refusal('UNTRUSTED', 'a critical extension is not understood');
  }
}

function refuseUnfitCa(certificate: Certificate, casBelow: number): void {
  const constraints = certificate.extension(id_ce_basicConstraints, BasicConstraints);
  if (!constraints?.cA || !hasKeyUsage(certificate, KeyUsageFlags.keyCertSign)) {
    throw new Refusal('UNTRUSTED', 'an issuer is not a CA');
  }
  if (casBelow > (constraints.pathLenConstraint ?? Number.POSITIVE_INFINITY)) {
    throw new Refusal('UNTRUSTED', 'more CAs in the chain than the path length of one allows');
  }
}

function hasKeyUsage(certificate: Certificate, flag: KeyUsageFlags): boolean {
  return ((certificate.extension(id_ce_keyUsage, KeyUsage)?.toNumber() ?? 0) & flag) !== 0;
}

function refuseInvalidAt({ notBefore, notAfter }: Certificate, at: Date): void {
  if (at < notBefore) throw new Refusal('NOT_YET_VALID', `valid from ${notBefore.toISOString()}`);
  if (at > notAfter) throw new Refusal('EXPIRED', `valid until ${notAfter.toISOString()}`);
}

function refuseOtherPurpose(certificate: Certificate, { oid, keyUsage, keyKinds }: PurposeRow): void {
  const usages = certificate.extension(id_ce_extKeyUsage, ExtendedKeyUsage) ?? [];
  if (usages.length !== 1 || usages[0] !== oid) {
    throw new Refusal('WRONG_PURPOSE', `the one extended key usage ${oid} expected`);
  }
  if (!hasKeyUsage(certificate, keyUsage)) {
    throw new Refusal('WRONG_PURPOSE', `key usage ${KeyUsageFlags[keyUsage]} expected`);
  }
  if (certificate.extension(id_ce_basicConstraints, BasicConstraints)?.cA) {
    throw new Refusal('WRONG_PURPOSE', 'an end entity expected, a CA came');
  }
  if (!keyKinds.includes(keyKind(certificate.key))) {
    throw new Refusal('WRONG_PURPOSE', `a key of kind ${keyKinds.join(' or ')} expected`);
  }
}

function refuseRevoked(certificate: Certificate, issuer: Certificate, crl: Crl, at: Date): void {
  if (
    !Buffer.from(crl.issuer).equals(Buffer.from(AsnConvert.serialize(issuer.tbs.subject))) ||
    !hasKeyUsage(issuer, KeyUsageFlags.cRLSign) ||
    !crl.isSignedBy(issuer.key)
  ) {
    throw new Refusal('CRL_STALE', "the CRL is not signed by the certificate's issuer");
  }
  if (crl.hasUnknownCritical)
    throw new Refusal('CRL_STALE', 'a critical extension of the CRL is not understood');
  if (at < crl.thisUpdate || !crl.nextUpdate || at > crl.nextUpdate) {
    throw new Refusal('CRL_STALE', `the CRL of ${crl.thisUpdate.toISOString()} is not current`);
  }
  if (crl.isRevoked(certificate.serialNumber))
    throw new Refusal('REVOKED', 'the serial number is on the CRL');
}
