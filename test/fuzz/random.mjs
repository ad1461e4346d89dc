/** Random choices that a seed repeats: mulberry32, good enough to choose mutations by and no more. */
export class SeededRandom {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` − 1. */
  below(limit) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  /** An element of an array, or a character of a text. */
  pick(values) {
    return values[this.below(values.length)];
  }

  bytes = (length) => Uint8Array.from({ length }, () => this.below(256));

  /** `length` characters out of `alphabet`. */
  text(length, alphabet) {
    return Array.from({ length }, () => this.pick(alphabet)).join('');
  }
}
