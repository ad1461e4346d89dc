import { describe, expect, test } from '@jest/globals';
import { GroupCommit } from './group-commit.ts';

describe('group commit', () => {
  test('callers of one turn share a flush, later ones share the next', async () => {
    const groups: number[][] = [];
    const flushes: (() => void)[] = [];
    const commit = new GroupCommit<number, number>(async (items) => {
      groups.push(items);
      await new Promise<void>((resolve) => flushes.push(resolve));
      return items.map((item) => item * 2);
    });
    const flushed = async (flush: number) => {
      while (flushes.length < flush) await new Promise(setImmediate);
      flushes[flush - 1]!();
    };
    const first = Promise.all([commit.add(1), commit.add(2)]);
    while (groups.length === 0) await new Promise(setImmediate);
    const second = Promise.all([commit.add(3), commit.add(4)]);
    await flushed(1);
    expect(await first).toEqual([2, 4]);
    await flushed(2);
    expect(await second).toEqual([6, 8]);
    expect(groups).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test('one bad item fails alone', async () => {
    const commit = new GroupCommit<number, string>(async (items) => {
      if (items.includes(13)) throw new Error('unlucky');
      return items.map(String);
    });
    const results = await Promise.allSettled([commit.add(12), commit.add(13), commit.add(14)]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test('a full group does not wait for the end of the turn', async () => {
    const sizes: number[] = [];
    const commit = new GroupCommit<number, number>(async (items) => {
      sizes.push(items.length);
      return items;
    }, 2);
    const added = [1, 2, 3].map((item) => commit.add(item));
    expect(sizes).toEqual([2]);
    await Promise.all(added);
    expect(sizes).toEqual([2, 1]);
  });

  test('groups are bounded', async () => {
    const sizes: number[] = [];
    const commit = new GroupCommit<number, number>(async (items) => {
      sizes.push(items.length);
      return items;
    }, 10);
    await Promise.all(Array.from({ length: 25 }, (_, index) => commit.add(index)));
    expect(sizes).toEqual([10, 10, 5]);
  });
});
