import { expect, test } from '@jest/globals';
import { migrationProgress } from './migration.ts';

test('people read which migration goes on, and for how long', () => {
  const line =
    '{"time":"2026-11-24T10:00:00.000Z","event":"database.migrating","migration":"HotRows1764800000000","number":3,"pending":7}';
  expect(migrationProgress(line, Date.parse('2026-11-24T10:02:05.500Z'))).toEqual({
    doing: 'bringing the database up to date: HotRows, 3 of 7',
    seconds: 125.5,
  });
});
