import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TokenBucket, TokenBuckets } from './token-bucket.ts';

const rate = { perSecond: 10, burst: 5 };

describe('token bucket', () => {
  test('a burst, then the rate', () => {
    const bucket = new TokenBucket(rate, 0);
    expect(Array.from({ length: 6 }, () => bucket.take(0))).toEqual([true, true, true, true, true, false]);
    expect([bucket.take(99), bucket.take(100), bucket.take(100)]).toEqual([false, true, false]);
    expect([bucket.isFull(599), bucket.isFull(601)]).toEqual([false, true]);
  });

  test('property: in no stretch of time more than burst and rate allow', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 200 }), (waits) => {
        const bucket = new TokenBucket(rate, 0);
        const taken: number[] = [];
        let now = 0;
        for (const wait of waits) {
          now += wait;
          if (bucket.take(now)) taken.push(now);
        }
        for (const [from, start] of taken.entries()) {
          for (const [to, end] of taken.entries()) {
            const allowed = rate.burst + ((end - start) / 1_000) * rate.perSecond;
            if (to >= from) expect(to - from + 1).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      }),
    );
  });

  test('keys do not share a bucket, and full buckets are forgotten', () => {
    const buckets = new TokenBuckets(rate);
    for (let n = 0; n < 1_000; n++) expect(buckets.take(`address ${n}`, 0)).toBe(true);
    for (let n = 0; n < 4; n++) expect(buckets.take('address 7', 0)).toBe(true);
    expect([buckets.take('address 7', 0), buckets.take('address 8', 0)]).toEqual([false, true]);
    expect(buckets.size).toBe(1_000);
    buckets.take('another', 10_000);
    expect(buckets.size).toBe(1);
  });
});
