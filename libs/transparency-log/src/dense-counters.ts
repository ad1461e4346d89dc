import { TransparencyLogError } from './errors.ts';

/**
 * Counters that must not skip or repeat a value, side by side: the KSNs of each BDK, the operations of each HSM, the
 * attempts of each terminal. A log proves that what is in it was not changed; that nothing was kept out of it shows
 * only in counters.
 */
export class DenseCounters {
  readonly #what: string;
  readonly #first: bigint;
  readonly #last = new Map<string, bigint>();

  /** `what` is counted, for the message; each series starts with the value `first`. */
  constructor(what: string, first: bigint) {
    this.#what = what;
    this.#first = first;
  }

  /** The next value of a series. @throws TLOG_COUNTER_GAP */
  next(series: string, value: bigint): void {
    const last = this.#last.get(series);
    const expected = last === undefined ? this.#first : last + 1n;
    if (value !== expected) {
      throw new TransparencyLogError(
        'TLOG_COUNTER_GAP',
        `${this.#what} of ${series}: expected ${expected}, got ${value}`,
      );
    }
    this.#last.set(series, value);
  }

  /** Values of a series up to `value` are accounted for, though none of them was given. @throws TLOG_COUNTER_GAP */
  skipTo(series: string, value: bigint): void {
    const last = this.#last.get(series) ?? this.#first - 1n;
    if (value < last) {
      throw new TransparencyLogError(
        'TLOG_COUNTER_GAP',
        `${this.#what} of ${series}: expected ${last} or more, got ${value}`,
      );
    }
    this.#last.set(series, value);
  }

  /** The last value of a series: what an HSM's own count is compared with. */
  last(series: string): bigint | undefined {
    return this.#last.get(series);
  }
}
