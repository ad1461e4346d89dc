import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { tdesVectors } from '../../../test/support/dukpt-vectors.ts';
import {
  aesCounter,
  type CounterRule,
  countOneBits,
  highestOneBit,
  isTransactionCounter,
  lowestOneBit,
  nextCounter,
  requireTransactionCounter,
  tdesCounter,
} from './counter.ts';

const slowOneBits = (value: number) => value.toString(2).replaceAll('0', '').length;

test('bits of every kind of 32-bit value', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (value) => {
      expect(countOneBits(value)).toBe(slowOneBits(value));
      if (value === 0) return;
      expect(highestOneBit(value)).toBe(2 ** (value.toString(2).length - 1));
      expect(lowestOneBit(value)).toBe(2 ** /0*$/.exec(value.toString(2))![0].length);
    }),
  );
  expect(countOneBits(0xffffffff)).toBe(32);
  expect(highestOneBit(0x80000000)).toBe(0x80000000);
  expect(lowestOneBit(0x80000000)).toBe(0x80000000);
});

describe.each([
  ['TDES', tdesCounter, 0x1ff800],
  ['AES', aesCounter, 0xffff0000],
])('the counter of %s DUKPT', (_, rule: CounterRule, last) => {
  const anyCounter = fc.nat(2 ** rule.bits - 1);

  test('zero is never used, the last one is', () => {
    expect(isTransactionCounter(rule, 0)).toBe(false);
    expect(isTransactionCounter(rule, 1)).toBe(true);
    expect(isTransactionCounter(rule, last)).toBe(true);
    expect(isTransactionCounter(rule, 2 ** rule.bits)).toBe(false);
    expect(nextCounter(rule, last)).toBeUndefined();
  });

  test('a counter is valid by its number of one-bits alone', () => {
    fc.assert(
      fc.property(anyCounter, (counter) => {
        const oneBits = slowOneBits(counter);
        expect(isTransactionCounter(rule, counter)).toBe(oneBits > 0 && oneBits <= rule.maxOneBits);
      }),
    );
  });

  test('next is the smallest valid counter above, from any counter', () => {
    fc.assert(
      fc.property(anyCounter, fc.nat(5000), (counter, within) => {
        const next = nextCounter(rule, counter);
        if (next === undefined) {
          expect(counter).toBeGreaterThanOrEqual(last);
          return;
        }
        expect(isTransactionCounter(rule, next)).toBe(true);
        const between = counter + 1 + within;
        if (between < next) expect(isTransactionCounter(rule, between)).toBe(false);
      }),
    );
  });

  test('a counter is named with its number of one-bits when refused', () => {
    expect(() => requireTransactionCounter(rule, 2 ** rule.bits - 1)).toThrow(
      expect.objectContaining({
        code: 'DUKPT_COUNTER_INVALID',
        message: expect.stringContaining(`expected 1 to ${rule.maxOneBits} one-bits, got ${rule.bits}`),
      }),
    );
  });
});

test('X9.24-1:2009 A.3: the whole walk of a TDES terminal has 1,048,575 transactions', () => {
  let transactions = 0;
  let last = 0;
  for (let counter = nextCounter(tdesCounter, 0); counter !== undefined; ) {
    if (!isTransactionCounter(tdesCounter, counter)) throw new Error(`invalid counter ${counter}`);
    transactions++;
    last = counter;
    counter = nextCounter(tdesCounter, counter);
  }
  expect(transactions).toBe(tdesVectors.facts.totalKeysPerDevice);
  expect(last).toBe(0x1ff800);
});
