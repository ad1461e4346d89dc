import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { goneAt, type KeyFamily, keepUntil, mayGo } from './retention.ts';

const at = (day: number) => new Date(Date.UTC(2026, 0, 1 + day));
const gone: KeyFamily = { destroyedAt: at(10), holders: 0, lastReleasedAt: at(5) };

describe('when the last key is gone', () => {
  test.each<[string, KeyFamily, Date | null]>([
    ['the BDK is there', { ...gone, destroyedAt: null }, null],
    ['a terminal holds a key', { ...gone, holders: 1 }, null],
    ['the BDK was the last', gone, at(10)],
    ['a terminal was the last', { ...gone, lastReleasedAt: at(20) }, at(20)],
    ['no terminal ever had one', { ...gone, lastReleasedAt: null }, at(10)],
  ])('%s', (_, family, expected) => expect(goneAt(family)).toEqual(expected));
});

describe('until when a record is kept', () => {
  test('some days after the last key of the last family', () => {
    expect(keepUntil([gone], 730)).toEqual(at(740));
    expect(keepUntil([gone, { ...gone, destroyedAt: at(30) }], 730)).toEqual(at(760));
  });

  test('as long as one of the keys exists', () => {
    expect(keepUntil([gone, { ...gone, holders: 1 }], 0)).toBeNull();
  });

  test('a record of no key is not held', () => {
    expect(mayGo(keepUntil([], 730), at(0))).toBe(true);
  });

  test('it may go on that day, not a moment before; never while there is no such day', () => {
    const until = keepUntil([gone], 730) as Date;
    expect(mayGo(until, new Date(until.getTime() - 1))).toBe(false);
    expect(mayGo(until, until)).toBe(true);
    expect(mayGo(null, at(100_000))).toBe(false);
  });

  test('one more key, or one more day, never makes it shorter', () => {
    const day = fc.integer({ min: 0, max: 20_000 }).map(at);
    const family = fc.record({
      destroyedAt: fc.option(day),
      holders: fc.nat(2),
      lastReleasedAt: fc.option(day),
    });
    fc.assert(
      fc.property(fc.array(family), family, fc.nat(5000), (families, more, days) => {
        const time = (until: Date | null) => until?.getTime() ?? Number.POSITIVE_INFINITY;
        const until = time(keepUntil(families, days));
        expect(time(keepUntil([...families, more], days))).toBeGreaterThanOrEqual(until);
        expect(time(keepUntil(families, days + 1))).toBeGreaterThanOrEqual(until);
      }),
    );
  });
});
