import { expect, test } from '@jest/globals';
import type { Entry } from './entry.ts';
import { Part, type PartFilter } from './part.ts';

const entry = (type: string, more: Partial<Entry>): Entry => ({
  id: '1',
  time: '2026-11-24T12:00:00.000000Z',
  type,
  actor: 'node:a',
  body: {},
  ...more,
});
const log = [
  entry('attempt.requested', { attempt: 'a', terminal: 't', body: { campaign: 'c', run: 'r' } }),
  entry('attempt.ksn_reserved', {
    attempt: 'a',
    terminal: 't',
    body: { ksns: ['A1B2C3D40000000100000000'] },
  }),
  entry('attempt.sent', { attempt: 'a', terminal: 't', time: '2026-11-24T13:00:00.000000Z' }),
  entry('attempt.requested', { attempt: 'b', terminal: 'u', body: { number: 1 } }),
  entry('attempt.ksn_reserved', { attempt: 'b', terminal: 'u', body: { ksns: ['FFFF9876540000200000'] } }),
  entry('bdk.ksns-burned', { body: { first: 'A1B2C3D40000000200000000', last: 'A1B2C3D40000000300000000' } }),
  entry('terminal.enrolled', { terminal: 't' }),
];
const indexes = (filter: PartFilter) => {
  const part = new Part(filter);
  if (part.needsAttempts) for (const one of log) part.note(one);
  return [...log.keys()].filter((index) => part.has(log[index]!));
};

test.each<[string, PartFilter, number[]]>([
  ['nothing', {}, [0, 1, 2, 3, 4, 5, 6]],
  ['terminal', { terminal: 't' }, [0, 1, 2, 6]],
  ['time', { from: new Date('2026-11-24T13:00:00Z') }, [2]],
  ['end of time', { until: new Date('2026-11-24T13:00:00Z') }, [0, 1, 3, 4, 5, 6]],
  ['AES BDK: whole attempts, and what is about the BDK', { bdk: 'A1B2C3D4' }, [0, 1, 2, 5]],
  ['TDES BDK', { bdk: 'FFFF987654' }, [3, 4]],
  ['BDK that nobody has', { bdk: '00000000' }, []],
  ['campaign', { campaign: 'c' }, [0, 1, 2]],
  ['run', { run: 'r' }, [0, 1, 2]],
  ['BDK and terminal', { bdk: 'A1B2C3D4', terminal: 'u' }, []],
])('by %s', (_, filter, expected) => {
  expect(indexes(filter)).toEqual(expected);
});
