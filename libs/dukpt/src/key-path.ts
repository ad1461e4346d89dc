import { countOneBits, highestOneBit } from './counter.ts';
import { DukptError } from './errors.ts';

/**
 * One derivation step of one terminal, in place: `key` is the key of a counter that lacks the lowest one-bit of
 * `counter`, and becomes the key of `counter`.
 */
export type Step = (key: Uint8Array, counter: number) => void;

/** Walks from the key of counter `from` to that of counter `to`, in place: one step for each one-bit added, highest first. */
export function walk(key: Uint8Array, from: number, to: number, step: Step): void {
  for (let reached = from, missing = (from ^ to) >>> 0; missing !== 0; ) {
    const bit = highestOneBit(missing);
    reached = (reached | bit) >>> 0;
    missing = (missing ^ bit) >>> 0;
    step(key, reached);
  }
}

/**
 * The keys on the way from an initial key to the last counter asked for, one for each one-bit. A counter that shares
 * its upper one-bits with the last starts from there: in-order traffic costs one step for each transaction.
 */
export class KeyPath {
  readonly #step: Step;
  /** [0] is the initial key; [n] the key after the n highest one-bits of the counter. */
  readonly #keys: Uint8Array[];
  #counter = 0;
  #wiped = false;

  /** Copies the initial key. */
  constructor(initialKey: Uint8Array, maxOneBits: number, step: Step) {
    this.#step = step;
    this.#keys = Array.from({ length: maxOneBits + 1 }, () => new Uint8Array(initialKey));
  }

  /** The key at a counter; a copy, the caller wipes it. DUKPT_WIPED after `wipe`. */
  keyAt(counter: number): Uint8Array {
    if (this.#wiped) throw new DukptError('DUKPT_WIPED', 'the keys of this path were wiped');
    const differing = (counter ^ this.#counter) >>> 0;
    const shared = differing === 0 ? counter : (counter & ~(2 * highestOneBit(differing) - 1)) >>> 0;
    let depth = countOneBits(shared);
    for (let reached = shared; reached !== counter; ) {
      reached = (reached | highestOneBit(counter ^ reached)) >>> 0;
      const key = this.#keys[depth + 1]!;
      key.set(this.#keys[depth]!);
      this.#step(key, reached);
      depth++;
    }
    this.#counter = counter;
    return new Uint8Array(this.#keys[depth]!);
  }

  /** Fills every key with zeros. */
  wipe(): void {
    this.#wiped = true;
    for (const key of this.#keys) key.fill(0);
  }
}
