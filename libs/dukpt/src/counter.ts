import { DukptError } from './errors.ts';

/** What bounds a transaction counter: its width, and how many one-bits a valid value may have. */
export interface CounterRule {
  readonly bits: number;
  readonly maxOneBits: number;
}

/** ANSI X9.24-1:2009, A.3; X9.24-3:2017, C.4. 1,048,575 transactions, the last at 0x1FF800. */
export const tdesCounter: CounterRule = { bits: 21, maxOneBits: 10 };

/** ANSI X9.24-3:2017, 6.1 and 6.5. 2,448,023,842 transactions, the last at 0xFFFF0000. */
export const aesCounter: CounterRule = { bits: 32, maxOneBits: 16 };

/** Number of one-bits of a 32-bit value (Hacker's Delight, figure 5-2). */
export function countOneBits(value: number): number {
  let n = value - ((value >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  n = (n + (n >>> 4)) & 0x0f0f0f0f;
  return Math.imul(n, 0x01010101) >>> 24;
}

/** The lowest one-bit of a 32-bit value, as a value: 0b0110 gives 0b0010. */
export function lowestOneBit(value: number): number {
  return (value & -value) >>> 0;
}

/** The highest one-bit of a 32-bit value that is not zero, as a value: 0b0110 gives 0b0100. */
export function highestOneBit(value: number): number {
  return (0x80000000 >>> Math.clz32(value)) >>> 0;
}

/** Whether a terminal may use this counter in a transaction. */
export function isTransactionCounter(rule: CounterRule, counter: number): boolean {
  return counter > 0 && counter < 2 ** rule.bits && countOneBits(counter) <= rule.maxOneBits;
}

/** Refuses a counter that no terminal uses in a transaction: zero, or one with too many one-bits. */
export function requireTransactionCounter(rule: CounterRule, counter: number): void {
  if (!isTransactionCounter(rule, counter)) {
    throw new DukptError(
      'DUKPT_COUNTER_INVALID',
      `transaction counter 0x${counter.toString(16).toUpperCase()}: expected 1 to ${rule.maxOneBits} one-bits, ` +
        `got ${countOneBits(counter)}`,
    );
  }
}

/**
 * The smallest valid counter above `counter`, or undefined where there is none: the key set is exhausted.
 *
 * Adding 1 keeps a counter valid while it has fewer one-bits than allowed. From the allowed number on, every value
 * up to the sum with the lowest one-bit has as many one-bits or more, so that sum comes next. From a valid counter
 * one addition suffices; only a counter that is itself invalid takes more.
 */
export function nextCounter(rule: CounterRule, counter: number): number | undefined {
  let next = counter + (countOneBits(counter) < rule.maxOneBits ? 1 : lowestOneBit(counter));
  while (next < 2 ** rule.bits && countOneBits(next) > rule.maxOneBits) next += lowestOneBit(next);
  return next < 2 ** rule.bits ? next : undefined;
}
