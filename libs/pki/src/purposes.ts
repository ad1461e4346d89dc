import { id_kp_clientAuth, id_kp_serverAuth, KeyUsageFlags } from '@peculiar/asn1-x509';

/** Kind of a public key, by algorithm and curve. RSA means 2048 to 4096 bits. */
export type KeyKind = 'RSA' | 'P-256' | 'P-384';

/** What one certificate is for. A certificate has exactly one purpose (PCI PIN 19-12). */
export interface PurposeRow {
  /** Extended key usage, the only one in the certificate. RFC 5280, 4.2.1.12. */
  readonly oid: string;
  /** Key usage, RFC 5280, 4.2.1.3. */
  readonly keyUsage: KeyUsageFlags;
  readonly keyKinds: readonly KeyKind[];
}

/**
 * Arc of OpenKDH's own purposes, under the enterprise number that RFC 5612 sets aside for documentation: OpenKDH has
 * none of its own. (An arc of a UUID, 2.25, is no way out: JavaScript's ASN.1 libraries lose precision above 2^53.)
 */
const ownPurposes = '1.3.6.1.4.1.32473.34.1';

const anyKind: readonly KeyKind[] = ['RSA', 'P-256', 'P-384'];
const { digitalSignature, keyEncipherment } = KeyUsageFlags;

/** Every purpose of an end-entity certificate. */
export const purposes = {
  'tls-server': { oid: id_kp_serverAuth, keyUsage: digitalSignature, keyKinds: anyKind },
  'tls-client': { oid: id_kp_clientAuth, keyUsage: digitalSignature, keyKinds: anyKind },
  /** TR-34 key encryption for a terminal (KRD). */
  'krd-encryption': { oid: `${ownPurposes}.1`, keyUsage: keyEncipherment, keyKinds: ['RSA'] },
  /** Signing of LOAD_RESULT by a terminal. */
  'result-signing': { oid: `${ownPurposes}.2`, keyUsage: digitalSignature, keyKinds: ['P-256'] },
  /** TR-34 signing by the KDH. */
  'kdh-signing': { oid: `${ownPurposes}.3`, keyUsage: digitalSignature, keyKinds: ['RSA'] },
  /** Signing of log checkpoints by the KDH. */
  'checkpoint-signing': { oid: `${ownPurposes}.4`, keyUsage: digitalSignature, keyKinds: anyKind },
} as const satisfies Record<string, PurposeRow>;

export type Purpose = keyof typeof purposes;
