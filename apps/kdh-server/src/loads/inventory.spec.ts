import { describe, expect, test } from '@jest/globals';
import { compareInventory } from './inventory.ts';

const held = (slot: string, ksn: string | undefined, kcv: string) => ({
  slot,
  usage: 'B1',
  algorithm: 'A128' as const,
  ...(ksn && { ksn }),
  kcv,
  loadedAt: '2026-11-24T06:00:00Z',
  attempt: '0197fa2c-0000-7000-8000-000000000001',
});
const PIN = { slot: 'PIN', ksn: '123456780000000100000000', kcv: '112233' };
const KBPK = { slot: 'KBPK-AES', ksn: null, kcv: '445566' };

describe('comparing an inventory', () => {
  test('what was confirmed is held, also with longer check values', () => {
    expect(
      compareInventory(
        [PIN, KBPK],
        [held('KBPK-AES', undefined, '445566'), held('PIN', PIN.ksn, '1122334455')],
      ),
    ).toEqual([]);
  });
  test.each([
    ['a slot is empty', [], 'MISSING'],
    ['another KSN', [held('PIN', '123456780000000200000000', '112233')], 'OTHER_KEY'],
    ['another KCV', [held('PIN', PIN.ksn, '112234')], 'OTHER_KEY'],
  ])('%s', (_, slots, kind) => expect(compareInventory([PIN], slots)).toEqual([{ slot: 'PIN', kind }]));
  test('a key that no load put there', () => {
    expect(compareInventory([], [held('MAC', PIN.ksn, '112233')])).toEqual([
      { slot: 'MAC', kind: 'UNKNOWN_KEY' },
    ]);
  });
});
