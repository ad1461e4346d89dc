import { describe, expect, test } from '@jest/globals';
import type { LoadResult } from '@openkdh/terminal-protocol';
import { attemptStates } from './attempt.ts';
import { type ExpectedResult, judgeResult } from './result.ts';

const expected: ExpectedResult = {
  state: 'SENT',
  planHash: 'AA',
  nonceK2: 'bm9uY2U=',
  sentEpochs: [2n, 3n],
  keys: [
    { slot: 'PIN', kcv: '112233', ksn: '123456780000000100000000' },
    { slot: 'KBPK-TDES', kcv: '445566', ksn: null },
  ],
  recorded: null,
};
const result: LoadResult = {
  attempt: '0197fa2c-0000-7000-8000-000000000001',
  epoch: 3,
  planHash: 'AA',
  nonceK2: 'bm9uY2U=',
  results: [
    { slot: 'KBPK-TDES', code: 0, kcv: '445566' },
    { slot: 'PIN', code: 0, kcv: '1122334455', ksn: '123456780000000100000000' },
  ],
  signature: 'c2ln',
};
const pin = result.results[1]!;
const tdes = result.results[0]!;

describe('judging a LOAD_RESULT', () => {
  test('all slots as expected, in any order, check values on their common prefix', () => {
    expect(judgeResult(expected, result)).toEqual({ kind: 'match' });
    expect(judgeResult({ ...expected, state: 'OUTCOME_UNKNOWN' }, result)).toEqual({ kind: 'match' });
  });

  test.each<[string, Partial<LoadResult>, string]>([
    ['an epoch in which nothing was sent', { epoch: 1 }, 'RESULT_EPOCH'],
    ['another nonce', { nonceK2: 'b3RoZXI=' }, 'RESULT_NONCE'],
    ['another plan', { planHash: 'BB' }, 'RESULT_PLAN_HASH'],
    ['a wrong KCV', { results: [tdes, { ...pin, kcv: '112234' }] }, 'KCV_MISMATCH'],
    ['a wrong KSN', { results: [tdes, { ...pin, ksn: '123456780000000200000000' }] }, 'RESULT_KSN'],
    ['a KSN where none belongs', { results: [{ ...tdes, ksn: pin.ksn }, pin] }, 'RESULT_KSN'],
    ['a slot too few', { results: [pin] }, 'RESULT_SLOTS'],
    ['a slot of another name', { results: [tdes, { ...pin, slot: 'MAC' }] }, 'RESULT_SLOTS'],
    ['some slots stored and some not', { results: [tdes, { slot: 'PIN', code: 4001 }] }, 'TERMINAL_4001'],
  ])('%s goes to quarantine', (_, change, reasonCode) =>
    expect(judgeResult(expected, { ...result, ...change })).toEqual({ kind: 'differ', reasonCode }),
  );

  test('a terminal that stored nothing has refused', () => {
    const refusal: LoadResult = {
      ...result,
      results: [
        { slot: 'PIN', code: 4001 },
        { slot: 'KBPK-TDES', code: 4001 },
      ],
    };
    expect(judgeResult(expected, refusal)).toEqual({ kind: 'refused', reasonCode: 'TERMINAL_4001' });
  });

  test('F10: the same result once more is acknowledged as before, a different one is a contradiction', () => {
    const confirmed: ExpectedResult = { ...expected, state: 'CONFIRMED', recorded: result };
    expect(judgeResult(confirmed, { ...result, epoch: 4, signature: 'eA==' })).toEqual({
      kind: 'duplicate',
      accepted: true,
    });
    expect(judgeResult({ ...confirmed, state: 'QUARANTINED' }, result)).toEqual({
      kind: 'duplicate',
      accepted: false,
    });
    expect(judgeResult(confirmed, { ...result, results: [tdes, { ...pin, kcv: 'FFFFFF' }] })).toEqual({
      kind: 'contradiction',
    });
  });

  test('rule (e): a result after the end is late if something was sent, unknown if not', () => {
    for (const state of attemptStates.filter((s) => s !== 'SENT' && s !== 'OUTCOME_UNKNOWN')) {
      expect(judgeResult({ ...expected, state }, result)).toEqual({ kind: 'late' });
      expect(judgeResult({ ...expected, state, sentEpochs: [] }, result)).toEqual({ kind: 'unknown' });
    }
  });
});
