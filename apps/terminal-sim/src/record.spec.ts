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
const result = (attempt: string, verdict?: StoredResult['verdict']): StoredResult => ({
  result: { attempt } as LoadResult,
  ...(verdict && { verdict }),
});
const key = new Uint8Array(1);
const fresh: TerminalRecord = {
  identity: { tls: key, encryption: key, signing: key },
  epoch: 0,
  slots: {},
  results: [],
};
const attemptsOf = ({ results }: TerminalRecord) => results.map((stored) => stored.result.attempt);

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

  test('a result takes the place of that of the same attempt', () => {
    const results = [result('1'), result('2')];
    const after = changed({ ...fresh, results }, { result: result('1', 'ACCEPTED') });
    expect(after.results).toEqual([result('1', 'ACCEPTED'), result('2')]);
  });

  test('a fifth result: the oldest acknowledged one goes, or else the oldest', () => {
    const results = [result('1'), result('2', 'ACCEPTED'), result('3', 'MISMATCH'), result('4')];
    expect(attemptsOf(changed({ ...fresh, results }, { result: result('5') }))).toEqual(['1', '3', '4', '5']);
    const waiting = results.map((stored) => ({ result: stored.result }));
    const after = changed({ ...fresh, results: waiting }, { result: result('5') });
    expect(attemptsOf(after)).toEqual(['2', '3', '4', '5']);
  });

  test('a record is the change that makes it of nothing: a journal may begin anew after any of its changes', () => {
    const attempt = fc.constantFrom('1', '2', '3', '4', '5', '6');
    const change: fc.Arbitrary<Change> = fc.oneof(
      fc.record({ epoch: fc.nat() }),
      attempt.map((one) => ({ slots: { [`SLOT-${one}`]: slot(one) }, result: result(one) })),
      attempt.map((one) => ({ result: result(one, 'ACCEPTED') })),
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
