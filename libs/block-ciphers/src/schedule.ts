/**
 * Key schedules, reused. A typed array of this size costs more to allocate than the key costs to expand, and DUKPT
 * changes the key for nearly every block; so a wiped schedule waits here, all zeros, for the next key.
 */
const waiting = new Map<number, Int32Array[]>();
const mostWaiting = 16; // of one length: what lives at once in one derivation, not a cache

export function takeSchedule(words: number): Int32Array {
  return waiting.get(words)?.pop() ?? new Int32Array(words);
}

/** The caller must drop its reference: the next key moves in. */
export function wipeSchedule(schedule: Int32Array): void {
  schedule.fill(0);
  const sameLength = waiting.get(schedule.length) ?? [];
  if (sameLength.length < mostWaiting) sameLength.push(schedule);
  waiting.set(schedule.length, sameLength);
}
