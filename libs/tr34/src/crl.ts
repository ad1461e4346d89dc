/** Certificate revocation lists. RFC 5280, 5. */
import {
  type Certificate,
  isSignedBy,
  parseExtensions,
  parseSigned,
  requireSameAlgorithm,
  type Signed,
} from './certificate.ts';
import { contextTag, type Der, DerReader, equalBytes, readDer, tags, timeOf } from './der.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';

export interface Crl extends Signed {
  /** Name as DER. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  readonly number: bigint | undefined;
  /** The INTEGERs as DER. */
  readonly revoked: readonly Uint8Array[];
  readonly unknownCritical: readonly string[];
}

/** What a KRD remembers of the newest CRL of an issuer, so that an older one cannot come back. */
export interface CrlSeen {
  /** Name as DER. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly number?: bigint;
}

/** @throws TR34_MALFORMED */
export function parseCrl(der: Uint8Array): Crl {
  const signed = parseSigned(der, 'CertificateList');
  const tbs = new DerReader(signed.tbs.content, 'TBSCertList');
  tbs.optional(tags.integer, 'version');
  requireSameAlgorithm(tbs.next(tags.sequence, 'signature'), signed);
  const issuer = tbs.next(tags.sequence, 'issuer').bytes;
  const thisUpdate = timeOf(tbs.any('thisUpdate'));
  const next = tbs.optional(tags.utcTime, 'nextUpdate') ?? tbs.optional(tags.generalizedTime, 'nextUpdate');
  const entries = tbs.optional(tags.sequence, 'revokedCertificates');
  const extensions = parseExtensions(tbs.optional(contextTag(0), 'crlExtensions'));
  tbs.end();
  const number = extensions.value(oids.crlNumber);
  return {
    ...signed,
    issuer,
    thisUpdate,
    nextUpdate: next && timeOf(next),
    number: number && unsigned(readDer(number, tags.integer, 'CRLNumber')),
    revoked: entries
      ? new DerReader(entries.content, 'revokedCertificates').rest(tags.sequence, 'entry').map(serialOf)
      : [],
    unknownCritical: extensions.criticalExcept([]),
  };
}

function serialOf(entry: Der): Uint8Array {
  return new DerReader(entry.content, 'revokedCertificate').next(tags.integer, 'userCertificate').bytes;
}

function unsigned({ content }: Der): bigint {
  return content.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n);
}

/**
 * Refuses a CRL that cannot be relied on at `at`: signed by another, with a critical extension that this package does
 * not know (a delta or a partial CRL), past its nextUpdate, of the future, or older than one seen before.
 * @throws TR34_CRL_INVALID, TR34_CRL_STALE, TR34_CRL_OLDER
 */
export function checkCrl(crl: Crl, issuer: Certificate, at: Date, lastSeen: readonly CrlSeen[]): void {
  if (!isSignedBy(crl, issuer))
    throw new Tr34Error('TR34_CRL_INVALID', 'expected a CRL signed by its issuer');
  if (crl.unknownCritical.length > 0) {
    const list = crl.unknownCritical.join(', ');
    throw new Tr34Error('TR34_CRL_INVALID', `expected a complete CRL, got critical extensions ${list}`);
  }
  if (crl.thisUpdate > at || !crl.nextUpdate || crl.nextUpdate <= at) {
    const until = crl.nextUpdate?.toISOString() ?? 'no nextUpdate';
    const valid = `${crl.thisUpdate.toISOString()} to ${until}`;
    throw new Tr34Error('TR34_CRL_STALE', `expected a CRL valid at ${at.toISOString()}, got ${valid}`);
  }
  const newer = lastSeen.find((seen) => equalBytes(seen.issuer, crl.issuer) && isOlder(crl, seen));
  if (newer) {
    const last = `${newer.thisUpdate.toISOString()}, number ${newer.number ?? 'none'}`;
    const came = `${crl.thisUpdate.toISOString()}, number ${crl.number ?? 'none'}`;
    throw new Tr34Error('TR34_CRL_OLDER', `expected a CRL not older than ${last}, got ${came}`);
  }
}

function isOlder(crl: Crl, seen: CrlSeen): boolean {
  if (crl.thisUpdate < seen.thisUpdate) return true;
  return seen.number !== undefined && (crl.number === undefined || crl.number < seen.number);
}

/** Whether the CRL lists the certificate. */
export function isRevoked(certificate: Certificate, crl: Crl): boolean {
  return crl.revoked.some((serial) => equalBytes(serial, certificate.serialNumber));
}
