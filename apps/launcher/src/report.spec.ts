import { expect, test } from '@jest/globals';
import { addressList, report } from './report.ts';

const figures = { terminals: 2, loads: 2, confirmed: 2, seconds: 1.25, loadsPerSecond: 1.6 };
const slot = (serial: string, name: string) => ({
  serial,
  slot: name,
  algorithm: name === 'PIN' ? 'A128' : 'T2',
  ksn: name === 'PIN' ? '1234567800000001' : 'FFFF9876543210E00000',
  kcv: 'A1B2C3',
});

test('a line for each slot of each terminal, sorted, and the totals', () => {
  const slots = [slot('SIM-2', 'PIN'), slot('SIM-1', 'PIN'), slot('SIM-1', 'DATA')];
  expect(report(slots, figures)).toBe(
    [
      'terminal  slot  algorithm  KSN                   KCV',
      'SIM-1     DATA  T2         FFFF9876543210E00000  A1B2C3',
      'SIM-1     PIN   A128       1234567800000001      A1B2C3',
      'SIM-2     PIN   A128       1234567800000001      A1B2C3',
      '',
      '2 terminals, 2 loads, 2 confirmed, 1.25 s, 1.6 loads per second',
    ].join('\n'),
  );
});

test('of a large fleet the first ten terminals, and how many more', () => {
  const slots = Array.from({ length: 12 }, (_, i) => slot(`SIM-${String(i).padStart(2, '0')}`, 'PIN'));
  const text = report(slots, { ...figures, terminals: 500 });
  expect(text).toContain('SIM-09');
  expect(text).not.toContain('SIM-10');
  expect(text).toContain('… and 490 more\n');
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
