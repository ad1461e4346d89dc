import type { LoadAck, LoadResult } from '@openkdh/terminal-protocol';
import type { CrlSeen } from '@openkdh/tr34';
import type { KeyAlgorithm } from './key-algorithm.ts';

/**
 * What a terminal keeps in its flash. A member changes as a whole; members that belong together (the keys of a plan,
 * its signed result, the next nonce) change in one commit. See `Store`.
 */
export interface TerminalRecord {
  readonly identity: Identity;
  /** Absent until the KDH has enrolled the terminal. */
  readonly enrolment?: Enrolment;
  /** Highest session epoch seen; 0 before the first session. */
  readonly epoch: number;
  /** Absent until BIND. */
  readonly boundKdh?: BoundKdh;
  /** R_KRD: the one nonce that a key token may carry. 16 bytes; absent until the first RANDOM. */
  readonly nonce?: Uint8Array;
  readonly slots: Readonly<Record<string, Slot>>;
  /** Oldest first. */
  readonly results: readonly StoredResult[];
}

/** The private keys that the terminal made for itself, one for each purpose (PCI PIN 19-12). PKCS#8 DER. */
export interface Identity {
  /** P-256. */
  readonly tls: Uint8Array;
  /** RSA-2048: TR-34 key tokens are encrypted to it. */
  readonly encryption: Uint8Array;
  /** P-256: signs results. */
  readonly signing: Uint8Array;
}

/** What the KDH answered to the enrolment. All PEM. */
export interface Enrolment {
  readonly certificates: { readonly tls: string; readonly encryption: string; readonly signing: string };
  /** Terminal CA and root. */
  readonly chain: string;
  /** The CA that the KDH's TR-34 certificate comes from. */
  readonly kdhTrustAnchor: string;
  /** The root above the gateway's TLS certificate. */
  readonly gatewayTrustAnchor: string;
}

/** The one KDH that the terminal takes keys from. */
export interface BoundKdh {
  /** Its TR-34 signing certificate, DER. */
  readonly certificate: Uint8Array;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  /** The newest CRL of each issuer that came with a token: an older one is refused. */
  readonly crlsSeen: readonly CrlSeen[];
}

export type Slot = KbpkSlot | InitialKeySlot;

/** A key block protection key, from TR-34. */
export interface KbpkSlot extends Loaded {
  readonly usage: 'K1';
  readonly key: Uint8Array;
}

/** An initial DUKPT key: what is left of it are the future keys derived from it; the key itself is erased. */
export interface InitialKeySlot extends Loaded {
  readonly usage: 'B1';
  /** Initial KSN: 20 hex digits for TDES, 24 for AES. */
  readonly ksn: string;
  /** State of the DUKPT register machine, ready for the first transaction. */
  readonly registers: Uint8Array;
  /** SHA-256 of the initial key, 32 bytes: only for tests that compare terminals without seeing keys. */
  readonly keyDigest: Uint8Array;
}

interface Loaded {
  readonly algorithm: KeyAlgorithm;
  /** 6 to 10 upper-case hex digits. */
  readonly kcv: string;
  /** RFC 3339, UTC. */
  readonly loadedAt: string;
  readonly attempt: string;
}

/** A result as it was signed when its keys were stored, and what the KDH made of it. */
export interface StoredResult {
  readonly result: LoadResult;
  /** Absent until LOAD_ACK: until then the result is sent again in every session. */
  readonly verdict?: LoadAck['verdict'];
}
