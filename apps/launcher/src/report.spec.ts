import { expect, test } from '@jest/globals';
import type { Api } from './api.ts';
import { addressList, loadedSlots, report } from './report.ts';

const figures = { terminals: 2, loads: 2, confirmed: 2, seconds: 1.25, loadsPerSecond: 1.6 };
const slot = (serial: string, name: string) => ({
  serial,
  slot: name,
  algorithm: name === 'PIN' ? 'A128' : 'T2',
  ksn: name === 'PIN' ? '1234567800000001' : 'FFFF9876543210E00000',
  kcv: 'A1B2C3',
});

test('a line for each slot, and the totals', () => {
  const slots = [slot('SIM-1', 'PIN'), slot('SIM-1', 'DATA'), slot('SIM-2', 'PIN')];
  expect(report(slots, figures)).toBe(
    [
      'terminal  slot  algorithm  KSN                   KCV',
      'SIM-1     PIN   A128       1234567800000001      A1B2C3',
      'SIM-1     DATA  T2         FFFF9876543210E00000  A1B2C3',
      'SIM-2     PIN   A128       1234567800000001      A1B2C3',
      '',
      '2 terminals, 2 loads, 2 confirmed, 1.25 s, 1.6 loads per second',
    ].join('\n'),
  );
});

test('of a large fleet the first ten terminals by serial number, from their last confirmed loads', async () => {
  const serials = Array.from({ length: 12 }, (_, i) => `SIM-${String(12 - i).padStart(2, '0')}`);
  const key = (slotName: string, ksn: string | null) => ({
    slot: slotName,
    algorithm: 'A128',
    ksn,
    kcvReported: 'A1B2C3',
  });
  const transfers = [
    { kind: 'KBPK', keys: [key('KBPK-AES', null)] },
    { kind: 'KEYS', keys: [key('KBPK-TDES', null), key('PIN', '1234567800000002')] },
    { kind: 'KEYS', keys: [key('PIN', '1234567800000001')] },
  ];
  const get = async (path: string) =>
    path.startsWith('/terminals') ? serials.map((serial) => ({ serial })) : { transfers };
  const api = { get, post: get } as unknown as Api;
  const slots = await loadedSlots(api);
  expect(slots).toHaveLength(10);
  expect(slots[0]).toEqual({
    serial: 'SIM-01',
    slot: 'PIN',
    algorithm: 'A128',
    ksn: '1234567800000002',
    kcv: 'A1B2C3',
  });
  expect(report(slots, { ...figures, terminals: 12 })).toContain('\n… and 2 more\n');
});

test('nothing loaded: the head and the totals', () => {
  const none = { terminals: 0, loads: 0, confirmed: 0, seconds: 0, loadsPerSecond: 0 };
  expect(report([], none)).toMatch(/^terminal {2}slot.*\n\n0 terminals/);
});

test('addresses stand under each other', () => {
  expect(addressList({ API: 'http://a', terminals: 'wss://b' })).toBe(
    'API        http://a\nterminals  wss://b',
  );
});
