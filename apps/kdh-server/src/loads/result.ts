import type { LoadResult } from '@openkdh/terminal-protocol';
import type { AttemptState } from './attempt.ts';

/** What the KDH expects of an attempt, as it stands in the database. */
export interface ExpectedResult {
  state: AttemptState;
  planHash: string | null;
  nonceK2: string;
  /** Epochs of the sessions in which the attempt was sent. */
  sentEpochs: bigint[];
  keys: { slot: string; kcv: string | null; ksn: string | null }[];
  /** The first signed result, if there was one. */
  recorded: LoadResult | null;
}

export type Verdict =
  /** Every slot holds what it should: CONFIRMED. */
  | { kind: 'match' }
  /** The terminal holds something else than was sent: QUARANTINED, and an incident. */
  | { kind: 'differ'; reasonCode: string }
  /** The terminal stored nothing and says why: FAILED. */
  | { kind: 'refused'; reasonCode: string }
  /** The same result once more: acknowledged again, nothing changes (F10). */
  | { kind: 'duplicate'; accepted: boolean }
  /** Another result than the recorded one: 4012 and an incident (F10). */
  | { kind: 'contradiction' }
  /** The attempt has ended without it: an incident, since the terminal may hold the key (rule e). */
  | { kind: 'late' }
  /** Not a result of anything that was sent. */
  | { kind: 'unknown' };

const AWAITING: readonly AttemptState[] = ['SENT', 'OUTCOME_UNKNOWN'];

/** Judges a result whose signature has been verified. */
export function judgeResult(expected: ExpectedResult, result: LoadResult): Verdict {
  if (expected.recorded) {
    if (!sameResult(expected.recorded, result)) return { kind: 'contradiction' };
    return { kind: 'duplicate', accepted: expected.state === 'CONFIRMED' };
  }
  if (!AWAITING.includes(expected.state)) {
    return expected.sentEpochs.length > 0 ? { kind: 'late' } : { kind: 'unknown' };
  }
  if (!expected.sentEpochs.includes(BigInt(result.epoch)))
    return { kind: 'differ', reasonCode: 'RESULT_EPOCH' };
  if (result.nonceK2 !== expected.nonceK2) return { kind: 'differ', reasonCode: 'RESULT_NONCE' };
  if (result.planHash !== expected.planHash) return { kind: 'differ', reasonCode: 'RESULT_PLAN_HASH' };
  const refusal = result.results.find((slot) => slot.code !== 0);
  if (refusal) {
    const stored = result.results.some((slot) => slot.code === 0);
    const reasonCode = `TERMINAL_${refusal.code}`;
    return stored ? { kind: 'differ', reasonCode } : { kind: 'refused', reasonCode };
  }
  if (result.results.length !== expected.keys.length) return { kind: 'differ', reasonCode: 'RESULT_SLOTS' };
  for (const key of expected.keys) {
    const slot = result.results.find((reported) => reported.slot === key.slot);
    if (!slot) return { kind: 'differ', reasonCode: 'RESULT_SLOTS' };
    if (!sameCheckValue(slot.kcv, key.kcv)) return { kind: 'differ', reasonCode: 'KCV_MISMATCH' };
    if ((slot.ksn ?? null) !== key.ksn) return { kind: 'differ', reasonCode: 'RESULT_KSN' };
  }
  return { kind: 'match' };
}

/** Check values are compared on their common prefix: HSMs give 3 bytes, terminals may give 5 (PCI PIN 15-1). */
function sameCheckValue(reported: string | undefined, expected: string | null): boolean {
  if (!reported || !expected) return false;
  const digits = Math.min(reported.length, expected.length);
  return reported.slice(0, digits) === expected.slice(0, digits);
}

function sameResult(a: LoadResult, b: LoadResult): boolean {
  const content = (result: LoadResult) =>
    JSON.stringify([
      result.planHash,
      result.nonceK2,
      [...result.results]
        .sort((x, y) => (x.slot < y.slot ? -1 : 1))
        .map((slot) => [slot.slot, slot.code, slot.kcv, slot.ksn]),
    ]);
  return content(a) === content(b);
}
