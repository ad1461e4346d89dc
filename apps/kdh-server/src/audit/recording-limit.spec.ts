import { expect, test } from '@jest/globals';
import { RecordingLimit } from './recording-limit.ts';

test('600 a minute are recorded; the rest is counted, and told when the next minute begins', () => {
  let now = 1_000_000;
  const told: number[] = [];
  const limit = new RecordingLimit(
    (count) => told.push(count),
    () => now,
  );
  const taken = () => Array.from({ length: 1_000 }, () => limit.take()).filter(Boolean).length;
  expect(taken()).toBe(600);
  limit.suppress();
  now += 59_999;
  expect(taken()).toBe(0);
  expect(told).toEqual([]);
  now += 1;
  expect(taken()).toBe(600);
  expect(told).toEqual([1_401]);
});
