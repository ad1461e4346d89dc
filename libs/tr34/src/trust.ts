/**
 * Whom to trust: the path from a certificate to an anchor, the purpose of the certificate, revocation.
 *
 * KDH and KRD hang under one root, so a path alone would let a rogue KRD act as a KDH. Whoever has a CA of their own
 * for each role should give that CA as the only anchor, too.
 */
import { type Certificate, isSignedBy, type KeyUsage, parseCertificate, rsaKeyOf } from './certificate.ts';
import { type Crl, type CrlSeen, checkCrl, isRevoked, parseCrl } from './crl.ts';
import { equalBytes } from './der.ts';
import { Tr34Error } from './errors.ts';
import { commonNamesOf } from './names.ts';

/**
 * Extended key usages of OpenKDH, the same as in libs/pki, one per certificate. Under the enterprise number that
 * RFC 5612 sets aside for documentation: OpenKDH has none of its own.
 */
export const purposes = {
  /** A terminal receives TR-34 key tokens. */
  krdEncryption: '1.3.6.1.4.1.32473.34.1.1',
  /** A KDH signs TR-34 tokens. */
  kdhSigning: '1.3.6.1.4.1.32473.34.1.3',
} as const;

/** The roles of certificates in TR-34. */
export type Role = 'KDH' | 'KRD';

/** All that is given must hold. */
export interface RoleRule {
  /** The one extended key usage that the certificate lists; `absent`: it has no such extension. */
  readonly extendedKeyUsage: string | 'absent';
  /** A word of its common name. */
  readonly commonNameWord?: string;
  readonly keyUsage?: KeyUsage;
}

/** One of the rules of a role must hold. */
export interface RolePolicy {
  readonly roles: Readonly<Record<Role, readonly RoleRule[]>>;
  /** Key usage that a CA needs to sign CRLs, if it has the extension. RFC 5280, 4.2.1.3: cRLSign. */
  readonly crlSigner?: KeyUsage;
}

const byPurpose = {
  KDH: [{ extendedKeyUsage: purposes.kdhSigning, keyUsage: 'digitalSignature' }],
  KRD: [{ extendedKeyUsage: purposes.krdEncryption, keyUsage: 'keyEncipherment' }],
} as const satisfies RolePolicy['roles'];

const byCommonName = {
  KDH: [{ extendedKeyUsage: 'absent', commonNameWord: 'KDH', keyUsage: 'digitalSignature' }],
  KRD: [{ extendedKeyUsage: 'absent', commonNameWord: 'KRD' }],
} as const satisfies RolePolicy['roles'];

export const rolePolicies = {
  /** By extended key usage: the default, and what libs/pki issues. */
  purpose: { roles: byPurpose, crlSigner: 'cRLSign' },
  /**
   * By a word of the common name, as Clover's README recommends. Its sample PKI gives the KRD digitalSignature only
   * and its CA no cRLSign, so neither is asked for.
   */
  commonName: { roles: byCommonName },
  /** By extended key usage where a certificate has one, else by common name: for tools that meet both. */
  purposeOrName: {
    roles: { KDH: [...byPurpose.KDH, ...byCommonName.KDH], KRD: [...byPurpose.KRD, ...byCommonName.KRD] },
  },
} as const satisfies Record<string, RolePolicy>;

/** How revocation is judged. */
export interface Revocation {
  /** CRLs (DER) besides those in the token. */
  readonly crls?: readonly Uint8Array[];
  /** The newest CRL seen of each issuer. */
  readonly lastSeen?: readonly CrlSeen[];
  /** What to do when there is no CRL of the certificate's issuer. `accept` is for a caller that says so to its user. */
  readonly whenAbsent: 'refuse' | 'accept';
}

/** What a KDH or a KRD judges certificates by. Certificates are DER. */
export interface Trust {
  readonly anchors: readonly Uint8Array[];
  readonly intermediates?: readonly Uint8Array[];
  /** Left out: `rolePolicies.purpose`. */
  readonly rolePolicy?: RolePolicy;
  readonly revocation: Revocation;
  /** The time to judge validity by. */
  readonly at: Date;
}

/** A certificate that was found good. */
export interface TrustedCertificate {
  readonly certificate: Certificate;
  /** Of each CRL relied on; to be remembered as `lastSeen`. */
  readonly crlsSeen: readonly CrlSeen[];
  /** Whether a CRL of the certificate's issuer was there to judge by. */
  readonly revocationChecked: boolean;
}

/** What came with the token that is judged. */
export interface Accompanying {
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

/**
 * Judges a certificate in a role: RSA key, purpose, path, validity, revocation.
 * @throws TR34_CERTIFICATE_*, TR34_CRL_*
 */
export function checkCertificate(
  der: Uint8Array,
  role: Role,
  trust: Trust,
  accompanying: Accompanying = { certificates: [], crls: [] },
): TrustedCertificate {
  const certificate = parseCertificate(der);
  rsaKeyOf(certificate);
  requireRole(certificate, role, trust.rolePolicy ?? rolePolicies.purpose);
  return { certificate, ...checkPath(certificate, trust, accompanying) };
}

/**
 * Judges the CA of the KRDs, which signs the unbind and rebind of a higher authority: a CA that issued this KRD.
 * @throws TR34_CERTIFICATE_*, TR34_CRL_*
 */
export function checkKrdCa(
  der: Uint8Array,
  krd: Certificate,
  trust: Trust,
  accompanying: Accompanying,
): TrustedCertificate {
  const certificate = parseCertificate(der);
  rsaKeyOf(certificate);
  if (!certificate.isCa || !equalBytes(certificate.subject, krd.issuer) || !isSignedBy(krd, certificate)) {
    throw new Tr34Error(
      'TR34_CERTIFICATE_ROLE',
      'expected the CA that issued the KRD certificate, got another',
    );
  }
  return { certificate, ...checkPath(certificate, trust, accompanying) };
}

function requireRole(certificate: Certificate, role: Role, policy: RolePolicy): void {
  const met = policy.roles[role].some((rule) => meetsRule(certificate, rule));
  if (certificate.isCa || !met) {
    throw new Tr34Error(
      'TR34_CERTIFICATE_ROLE',
      `expected a certificate with the role ${role}, got another purpose`,
    );
  }
}

function meetsRule(certificate: Certificate, rule: RoleRule): boolean {
  const { extendedKeyUsage, keyUsage } = certificate;
  const purposeMet =
    rule.extendedKeyUsage === 'absent'
      ? extendedKeyUsage === undefined
      : extendedKeyUsage?.length === 1 && extendedKeyUsage[0] === rule.extendedKeyUsage;
  return purposeMet && meetsKeyUsage(keyUsage, rule.keyUsage) && meetsName(certificate, rule.commonNameWord);
}

const meetsKeyUsage = (has: readonly KeyUsage[] | undefined, asked: KeyUsage | undefined): boolean =>
  asked === undefined || has === undefined || has.includes(asked);

function meetsName(certificate: Certificate, word: string | undefined): boolean {
  if (word === undefined) return true;
  const [name, another] = commonNamesOf(certificate.subject);
  return another === undefined && (name ?? '').split(/[^A-Za-z0-9]+/).includes(word);
}

/** More than any PKI of terminals has; bounds the work on hostile input. */
const maxPathLength = 8;

function checkPath(certificate: Certificate, trust: Trust, accompanying: Accompanying) {
  const anchors = trust.anchors.map(parseCertificate);
  const others = [...(trust.intermediates ?? []), ...accompanying.certificates].map(parseCertificate);
  const path = [certificate];
  for (let last = certificate; !anchors.some((anchor) => equalBytes(anchor.der, last.der)); ) {
    const issuer = [...anchors, ...others].find((candidate) => issued(candidate, last, path.length - 1));
    if (!issuer || path.length === maxPathLength) {
      throw new Tr34Error('TR34_CERTIFICATE_UNTRUSTED', 'expected a path to a trust anchor, found none');
    }
    path.push(issuer);
    last = issuer;
  }
  for (const member of path) requireValid(member, trust.at);
  return judgeRevocation(path, trust, accompanying.crls);
}

/** RFC 5280, 6.1.3 and 6.1.4. `casBelow`: CA certificates between this one and the end of the path. */
function issued(candidate: Certificate, certificate: Certificate, casBelow: number): boolean {
  return (
    equalBytes(candidate.subject, certificate.issuer) &&
    candidate.isCa &&
    (candidate.pathLength ?? casBelow) >= casBelow &&
    meetsKeyUsage(candidate.keyUsage, 'keyCertSign') &&
    isSignedBy(certificate, candidate)
  );
}

function requireValid({ notBefore, notAfter, unknownCritical }: Certificate, at: Date): void {
  if (at < notBefore || at > notAfter) {
    const valid = `${notBefore.toISOString()} to ${notAfter.toISOString()}`;
    throw new Tr34Error('TR34_CERTIFICATE_EXPIRED', `expected validity at ${at.toISOString()}, got ${valid}`);
  }
  if (unknownCritical.length > 0) {
    const list = unknownCritical.join(', ');
    throw new Tr34Error('TR34_CERTIFICATE_UNTRUSTED', `expected no unknown critical extension, got ${list}`);
  }
}

/** A CRL in the token has to be one of the path. Of others, those that concern the path are used. */
function judgeRevocation(path: readonly Certificate[], trust: Trust, inToken: readonly Uint8Array[]) {
  const { revocation, at } = trust;
  const issuerOf = (crl: Crl) => path.slice(1).find(({ subject }) => equalBytes(subject, crl.issuer));
  const fromToken = inToken.map(parseCrl);
  if (fromToken.some((crl) => !issuerOf(crl))) {
    throw new Tr34Error('TR34_CRL_INVALID', 'expected a CRL of a CA in the path, got another issuer');
  }
  const crls = [...fromToken, ...(revocation.crls ?? []).map(parseCrl).filter(issuerOf)];
  for (const crl of crls) {
    const issuer = issuerOf(crl) as Certificate;
    if (!meetsKeyUsage(issuer.keyUsage, (trust.rolePolicy ?? rolePolicies.purpose).crlSigner)) {
      throw new Tr34Error('TR34_CRL_INVALID', 'expected an issuer with the key usage cRLSign');
    }
    checkCrl(crl, issuer, at, revocation.lastSeen ?? []);
    if (path.some((member) => equalBytes(member.issuer, crl.issuer) && isRevoked(member, crl))) {
      throw new Tr34Error(
        'TR34_CERTIFICATE_REVOKED',
        'expected a serial that is not in the CRL, found it there',
      );
    }
  }
  const [certificate] = path as [Certificate];
  const revocationChecked = crls.some((crl) => equalBytes(crl.issuer, certificate.issuer));
  // An anchor is trusted because its owner says so: it has no issuer here whose CRL could be asked for.
  if (!revocationChecked && path.length > 1 && revocation.whenAbsent === 'refuse') {
    throw new Tr34Error('TR34_CRL_ABSENT', "expected a CRL of the certificate's issuer, got none");
  }
  const crlsSeen = crls.map(({ issuer, thisUpdate, number }) => ({
    issuer,
    thisUpdate,
    ...(number !== undefined && { number }),
  }));
  return { crlsSeen, revocationChecked };
}
