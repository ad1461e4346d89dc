import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { atMost, forEachAtMost } from './concurrency.ts';

/** Work that notes how many of it run at a time. */
function counted() {
  const count = { running: 0, most: 0, done: [] as number[] };
  const work = async (item: number) => {
    count.running += 1;
    count.most = Math.max(count.most, count.running);
    for (let turns = 0; turns <= item % 3; turns++) await turn();
    count.running -= 1;
    count.done.push(item);
    if (item < 0) throw new Error('refused');
  };
  return { count, work };
}

const items = Array.from({ length: 20 }, (_, n) => n);

test('forEachAtMost does everything, so many at a time', async () => {
  const { count, work } = counted();
  await forEachAtMost(4, items, work);
  expect(count.most).toBe(4);
  expect(count.done.sort((a, b) => a - b)).toEqual(items);
});

test('forEachAtMost: the first error is the answer', async () => {
  const { work } = counted();
  await expect(forEachAtMost(2, [1, -1, 2], work)).rejects.toThrow('refused');
});

test('atMost lets so many calls run, and goes on after an error', async () => {
  const { count, work } = counted();
  const limited = atMost(3, work);
  const calls = [...items, -1, 20, 21].map((item) => limited(item));
  const outcomes = await Promise.allSettled(calls);
  expect(count.most).toBe(3);
  expect(count.done).toHaveLength(calls.length);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
});
