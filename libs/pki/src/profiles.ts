import { KeyUsageFlags } from '@peculiar/asn1-x509';
import type { Purpose } from './purposes.ts';

/** A certificate authority: critical basic constraints with this path length, and critical key usage. */
export interface CaProfile {
  readonly kind: 'ca';
  /** How many CAs may follow below. RFC 5280, 4.2.1.9. */
  readonly pathLength: number;
  readonly keyUsage: KeyUsageFlags;
  readonly validityDays: number;
}

/** An end entity: key usage (critical) and extended key usage by its purpose. */
export interface LeafProfile {
  readonly kind: 'leaf';
  readonly purpose: Purpose;
  /**
   * Subject alternative name: `device`, the common name is a terminal's serial number and the URI names it;
   * `hosts`, DNS names and IP addresses; `none`.
   */
  readonly names: 'device' | 'hosts' | 'none';
  readonly validityDays: number;
}

export type CertificateProfile = CaProfile | LeafProfile;

const certifyAndRevoke = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;

/** Every certificate that OpenKDH issues. The subject is the common name alone. */
export const certificateProfiles = {
  root: { kind: 'ca', pathLength: 1, keyUsage: certifyAndRevoke, validityDays: 20 * 365 },
  'kdh-ca': { kind: 'ca', pathLength: 0, keyUsage: certifyAndRevoke, validityDays: 10 * 365 },
  'terminal-ca': { kind: 'ca', pathLength: 0, keyUsage: certifyAndRevoke, validityDays: 10 * 365 },
  'kdh-signing': { kind: 'leaf', purpose: 'kdh-signing', names: 'none', validityDays: 3 * 365 },
  'kdh-checkpoint': { kind: 'leaf', purpose: 'checkpoint-signing', names: 'none', validityDays: 3 * 365 },
  // 397 days: what TLS clients of today accept from a server at most.
  'gateway-tls': { kind: 'leaf', purpose: 'tls-server', names: 'hosts', validityDays: 397 },
  'client-tls': { kind: 'leaf', purpose: 'tls-client', names: 'none', validityDays: 397 },
  'terminal-tls': { kind: 'leaf', purpose: 'tls-client', names: 'device', validityDays: 5 * 365 },
  'terminal-encryption': { kind: 'leaf', purpose: 'krd-encryption', names: 'device', validityDays: 5 * 365 },
  'terminal-signing': { kind: 'leaf', purpose: 'result-signing', names: 'device', validityDays: 5 * 365 },
} as const satisfies Record<string, CertificateProfile>;

export type CertificateProfileName = keyof typeof certificateProfiles;
