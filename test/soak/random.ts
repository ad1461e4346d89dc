/** Random numbers that a seed decides: the run's choices can be repeated, if not the moment at which they fall. */
export interface Random {
  /** From 0 up to `limit`, not included. */
  below(limit: number): number;
  /** A whole number from 0 up to `limit`, not included. */
  whole(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** mulberry32 (Tommy Ettinger, public domain), as remembered; no security rests on it. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const random: Random = {
    below: (limit) => next() * limit,
    whole: (limit) => Math.floor(next() * limit),
    chance: (probability) => next() < probability,
    pick: (items) => items[random.whole(items.length)]!,
  };
  return random;
}
