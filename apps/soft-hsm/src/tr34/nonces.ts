const lifetimeMs = 900_000;
const mostOutstanding = 16;

/** The nonces that were sent in an RT_KRD and that no token has used: each is good once, and for a quarter of an hour. */
export class OutstandingNonces {
  readonly #now: () => number;
  /** When each ends, by the nonce in hex; the oldest first. */
  readonly #ends = new Map<string, number>();

  /** `now`: milliseconds of a clock that is never set back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** With too many outstanding, the oldest is forgotten. */
  add(nonce: Uint8Array): void {
    this.#ends.set(hex(nonce), this.#now() + lifetimeMs);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > mostOutstanding) this.#ends.delete(oldest!);
  }

  /** Whether the nonce is outstanding; it is not any more. */
  take(nonce: Uint8Array): boolean {
    const ends = this.#ends.get(hex(nonce));
    this.#ends.delete(hex(nonce));
    return ends !== undefined && this.#now() < ends;
  }
}

const mostRemembered = 100_000;

/** The nonces of KRDs that a key was sent for: none is taken twice. The oldest are forgotten, and all by a restart. */
export class UsedNonces {
  readonly #used = new Set<string>();

  /** Whether this KRD's nonce is new; it is not any more. `krd`: IssuerAndSerialNumber, DER. */
  use(krd: Uint8Array, nonce: Uint8Array): boolean {
    const both = `${hex(krd)} ${hex(nonce)}`;
    if (this.#used.has(both)) return false;
    this.#used.add(both);
    const [oldest] = this.#used;
    if (this.#used.size > mostRemembered) this.#used.delete(oldest!);
    return true;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
