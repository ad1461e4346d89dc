/**
 * Key schedules, reused. A typed array of this size costs more to allocate than the key costs to expand, and key
 * blocks and DUKPT change the key all the time; so a wiped schedule waits here, all zeros, for the next key.
 * Waiting ones are counted by hand, since an array that `pop` empties gives its memory back and `push` asks anew.
 */
interface Shelf {
  readonly schedules: Int32Array[];
  waiting: number;
}
const mostWaiting = 16; // of one length: what lives at once in one derivation, not a cache
const mostWords = 96; // TDES
const shelves = Array.from({ length: mostWords + 1 }, (): Shelf => ({ schedules: [], waiting: 0 }));

export function takeSchedule(words: number): Int32Array {
  const shelf = shelves[words]!;
  return shelf.waiting > 0 ? shelf.schedules[--shelf.waiting]! : new Int32Array(words);
}

/** The caller must drop its reference: the next key moves in. */
export function wipeSchedule(schedule: Int32Array): void {
  schedule.fill(0);
  const shelf = shelves[schedule.length]!;
  if (shelf.waiting < mostWaiting) shelf.schedules[shelf.waiting++] = schedule;
}
