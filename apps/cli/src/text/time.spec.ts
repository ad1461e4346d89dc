import { expect, test } from '@jest/globals';
import { utcTime, utcTimeAndWhatIsLeft } from './time.ts';

const now = new Date('2026-11-24T19:00:00.500Z');

test.each([
  ['2026-11-25T06:59:59.000Z', '2026-11-25 06:59:59 UTC, 11 h 59 min left'],
  ['2026-11-24T20:00:00.500Z', '2026-11-24 20:00:00 UTC, 1 h 0 min left'],
  ['2026-11-24T20:00:00.000Z', '2026-11-24 20:00:00 UTC, 59 min left'],
  ['2026-11-24T19:10:00.500Z', '2026-11-24 19:10:00 UTC, 10 min left'],
  ['2026-11-24T19:10:00.499Z', '2026-11-24 19:10:00 UTC, 599 s left'],
  ['2026-11-24T19:00:00.000Z', '2026-11-24 19:00:00 UTC, 0 s left'],
])('until %s: %s', (time, text) => {
  expect(utcTimeAndWhatIsLeft(time, now)).toBe(text);
});

test('a time of another zone is shown in UTC', () => {
  expect(utcTime('2026-11-24T21:00:00+02:00')).toBe('2026-11-24 19:00:00 UTC');
});
