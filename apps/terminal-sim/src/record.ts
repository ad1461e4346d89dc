import type { LoadAck, LoadResult } from '@openkdh/terminal-protocol';
import type { CrlSeen } from '@openkdh/tr34';
import type { KeyAlgorithm } from './key-algorithm.ts';

/**
 * What a terminal keeps in its flash. What belongs together (the keys of a plan, their signed result, the use of the
 * nonce) changes in one commit, as a `Change`. See `Store`.
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
  /** Oldest first, at most four. One without LOAD_ACK is the last to go. */
  readonly results: readonly StoredResult[];
}

/**
 * What one message changes, and what the journal keeps of it: members of the record as they are from now on, but of
 * `slots` only those that are new, the others stay.
 */
export interface Change extends Partial<TerminalRecord> {
  /** Of an attempt that has none yet. */
  readonly result?: LoadResult;
  /** What the KDH makes of a result. */
  readonly verdict?: LoadAck;
}

const keptResults = 4;

/** The record after a change. `record`: none before the first one, which has every member that must be there. */
export function changed(record: TerminalRecord | undefined, change: Change): TerminalRecord {
  const { result, verdict, ...members } = change;
  const after = { ...record, ...members } as TerminalRecord;
  return {
    ...after,
    ...(members.slots && { slots: { ...record?.slots, ...members.slots } }),
    ...(result && { results: withResult(after.results, { result }) }),
    ...(verdict && { results: withVerdict(after.results, verdict) }),
  };
}

function withResult(results: readonly StoredResult[], added: StoredResult): StoredResult[] {
  if (results.length < keptResults) return [...results, added];
  const acknowledged = results.findIndex(({ verdict }) => verdict !== undefined);
  return [...results.toSpliced(Math.max(acknowledged, 0), 1), added];
}

function withVerdict(results: readonly StoredResult[], { attempt, verdict }: LoadAck): StoredResult[] {
  return results.map((stored) => (stored.result.attempt === attempt ? { ...stored, verdict } : stored));
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
