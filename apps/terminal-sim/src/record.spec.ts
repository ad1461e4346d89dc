import { describe, expect, test } from '@jest/globals';
import type { LoadResult } from '@openkdh/terminal-protocol';
import fc from 'fast-check';
import { type Change, changed, type Slot, type StoredResult, type TerminalRecord } from './record.ts';

const slot = (attempt: string): Slot => ({
  usage: 'K1',
  key: new Uint8Array(16),
  algorithm: 'A128',
  kcv: '112233',
  loadedAt: '2026-11-24T06:00:00.000Z',
  attempt,
});
const result = (attempt: string) => ({ attempt }) as LoadResult;
const stored = (attempt: string, verdict?: StoredResult['verdict']): StoredResult => ({
  result: result(attempt),
  ...(verdict && { verdict }),
});
const key = new Uint8Array(1);
const fresh: TerminalRecord = {
  identity: { tls: key, encryption: key, signing: key },
  epoch: 0,
  slots: {},
  results: [],
};
const attemptsOf = ({ results }: TerminalRecord) => results.map((one) => one.result.attempt);

describe('a change of a record', () => {
  test('of slots only those that it names', () => {
    const before = changed(fresh, { slots: { PIN: slot('1'), DATA: slot('1') } });
    const after = changed(before, { slots: { DATA: slot('2') } });
    expect(after.slots).toEqual({ PIN: slot('1'), DATA: slot('2') });
    expect(after.slots['PIN']).toBe(before.slots['PIN']);
  });

  test('a member that is undefined is gone', () => {
    const before = changed(fresh, { nonce: key });
    expect(changed(before, { epoch: 2 }).nonce).toBe(key);
    expect(changed(before, { nonce: undefined } as Change).nonce).toBeUndefined();
  });

  test('a verdict stands beside the result of its attempt; one of no attempt that is known changes nothing', () => {
    const before = { ...fresh, results: [stored('1'), stored('2')] };
    const after = changed(before, { verdict: { attempt: '1', verdict: 'ACCEPTED' } });
    expect(after.results).toEqual([stored('1', 'ACCEPTED'), stored('2')]);
    expect(changed(before, { verdict: { attempt: '3', verdict: 'UNKNOWN' } })).toEqual(before);
  });

  test('a fifth result: the oldest acknowledged one goes, or else the oldest', () => {
    const results = [stored('1'), stored('2', 'ACCEPTED'), stored('3', 'MISMATCH'), stored('4')];
    expect(attemptsOf(changed({ ...fresh, results }, { result: result('5') }))).toEqual(['1', '3', '4', '5']);
    const waiting = results.map((one) => ({ result: one.result }));
    const after = changed({ ...fresh, results: waiting }, { result: result('5') });
    expect(attemptsOf(after)).toEqual(['2', '3', '4', '5']);
  });

  test('a record is the change that makes it of nothing: a journal may begin anew after any of its changes', () => {
    const attempt = fc.constantFrom('1', '2', '3', '4', '5', '6');
    const change: fc.Arbitrary<Change> = fc.oneof(
      fc.record({ epoch: fc.nat() }),
      attempt.map((one) => ({ slots: { [`SLOT-${one}`]: slot(one) }, result: result(one) })),
      attempt.map((one) => ({ verdict: { attempt: one, verdict: 'ACCEPTED' as const } })),
    );
    fc.assert(
      fc.property(fc.array(change), fc.nat(20), (changes, at) => {
        const whole = changes.reduce(changed, fresh);
        const written = changed(undefined, changes.slice(0, at).reduce(changed, fresh));
        expect(changes.slice(at).reduce(changed, written)).toEqual(whole);
      }),
    );
  });
});
