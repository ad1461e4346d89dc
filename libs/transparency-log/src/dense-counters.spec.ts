import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DenseCounters } from './index.ts';

const gap = expect.objectContaining({ code: 'TLOG_COUNTER_GAP' });

test('series count side by side, each from the first value, beyond 2^53', () => {
  const counters = new DenseCounters('KSNs', 2n ** 53n - 1n);
  for (let n = 0n; n < 10n; n++) {
    counters.next('BDK 1', 2n ** 53n - 1n + n);
    if (n < 5n) counters.next('BDK 2', 2n ** 53n - 1n + n);
  }
  expect(counters.last('BDK 1')).toBe(2n ** 53n + 8n);
  expect(counters.last('BDK 2')).toBe(2n ** 53n + 3n);
  expect(counters.last('BDK 3')).toBeUndefined();
});

test('any value but the next is a gap', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 50n), fc.bigInt(-5n, 60n), (last, value) => {
      const counters = new DenseCounters('attempts', 0n);
      for (let n = 0n; n <= last; n++) counters.next('T-1', n);
      if (value === last + 1n) counters.next('T-1', value);
      else expect(() => counters.next('T-1', value)).toThrow(gap);
    }),
  );
});

test('what is skipped is accounted for, forwards only', () => {
  const counters = new DenseCounters('KSNs', 1n);
  counters.skipTo('BDK 1', 3n);
  counters.next('BDK 1', 4n);
  counters.skipTo('BDK 1', 4n);
  expect(() => counters.skipTo('BDK 1', 3n)).toThrow(gap);
  expect(counters.last('BDK 1')).toBe(4n);
});

test('the message names the counter, the series and both values', () => {
  const counters = new DenseCounters('attempts', 1n);
  expect(() => counters.next('T-1', 2n)).toThrow('attempts of T-1: expected 1, got 2');
  counters.next('T-1', 1n);
  expect(() => counters.next('T-1', 1n)).toThrow('attempts of T-1: expected 2, got 1');
});
