import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hex, tdesVectors, toHex } from '../../../test/support/dukpt-vectors.ts';
import { nextCounter, tdesCounter } from './counter.ts';
import {
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  TdesKeyPath,
  type TdesKeyUsage,
  tdesKeyUsages,
} from './index.ts';
import { tdesKsnAt } from './ksn.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const validCounter = fc.nat(0x1ff7ff).map((counter) => nextCounter(tdesCounter, counter)!);
const bdk = hex('0123456789ABCDEFFEDCBA9876543210');
const ksn = hex('FFFF9876543210E00001');

describe('X9.24-1:2009 A.4, each layer', () => {
  test.each(tdesVectors.cases)('$id', (row) => {
    const initialKey = deriveTdesInitialKey(hex(row.bdk), hex(row.ksn));
    expect(toHex(initialKey)).toBe(row.ik);
    const transactionKey = deriveTdesTransactionKey(initialKey, hex(row.ksn));
    expect(toHex(transactionKey)).toBe(row.transactionKey);
    expect(deriveTdesTransactionKeyFromBdk(hex(row.bdk), hex(row.ksn))).toEqual(transactionKey);
    const working = (usage: TdesKeyUsage) => toHex(deriveTdesWorkingKey(transactionKey, usage));
    expect(working('PIN')).toBe(row.pinKey);
    expect(working('MAC_REQUEST')).toBe(row.macRequestKey);
    expect(working('MAC_BOTH')).toBe(row.macRequestKey);
    expect(working('MAC_RESPONSE')).toBe(row.macResponseKey);
    expect(working('DATA_REQUEST')).toBe(row.dataRequestKey);
    expect(working('DATA_BOTH')).toBe(row.dataRequestKey);
    expect(working('DATA_RESPONSE')).toBe(row.dataResponseKey);
  });

  test.each(tdesVectors.extraPublished)('$id', (row) => {
    const key = deriveTdesTransactionKeyFromBdk(hex(row.bdk), hex(row.ksn));
    if (row.pinKey) expect(toHex(deriveTdesWorkingKey(key, 'PIN'))).toBe(row.pinKey);
    if (row.dataRequestKey) expect(toHex(deriveTdesWorkingKey(key, 'DATA_REQUEST'))).toBe(row.dataRequestKey);
  });

  test('one path gives them all, in any order', () => {
    for (const rows of [tdesVectors.cases, tdesVectors.cases.toReversed()]) {
      const path = new TdesKeyPath(hex(rows[0]!.ik), hex(rows[0]!.ksn));
      for (const row of rows) expect(toHex(path.transactionKey(hex(row.ksn)))).toBe(row.transactionKey);
      path.wipe();
    }
  });
});

test('a BDK of 24 bytes whose last 8 repeat the first is the BDK of 16 bytes', () => {
  fc.assert(
    fc.property(bytes(16), bytes(10), (short, anyKsn) => {
      const long = new Uint8Array([...short, ...short.subarray(0, 8)]);
      expect(deriveTdesInitialKey(long, anyKsn)).toEqual(deriveTdesInitialKey(short, anyKsn));
    }),
  );
  const long = new Uint8Array([...bdk, ...hex('89ABCDEF01234567')]);
  expect(deriveTdesInitialKey(long, ksn)).not.toEqual(deriveTdesInitialKey(bdk, ksn));
});

test('the initial key is one for all counters, and another for any other bit of the KSN', () => {
  const initialKey = toHex(deriveTdesInitialKey(bdk, ksn));
  for (let bit = 0; bit < 80; bit++) {
    const flipped = Uint8Array.from(ksn);
    flipped[bit >>> 3]! ^= 0x80 >>> (bit & 7);
    const same = bit >= 59; // 21 counter bits: not 16, not 20
    expect(toHex(deriveTdesInitialKey(bdk, flipped)) === initialKey).toBe(same);
  }
});

test('every bit of the KSN changes the transaction key', () => {
  const initialKey = deriveTdesInitialKey(bdk, ksn);
  const keys = new Set([toHex(deriveTdesTransactionKey(initialKey, tdesKsnAt(ksn, 0x3)))]);
  for (let bit = 16; bit < 80; bit++) {
    const flipped = tdesKsnAt(ksn, 0x3);
    flipped[bit >>> 3]! ^= 0x80 >>> (bit & 7);
    keys.add(toHex(deriveTdesTransactionKey(initialKey, flipped)));
  }
  expect(keys.size).toBe(65);
});

test('the seven working keys are five, and never the transaction key', () => {
  fc.assert(
    fc.property(bytes(16), (transactionKey) => {
      const usages = Object.keys(tdesKeyUsages) as TdesKeyUsage[];
      const keys = new Set(usages.map((usage) => toHex(deriveTdesWorkingKey(transactionKey, usage))));
      expect(keys.size).toBe(5);
      expect(keys.has(toHex(transactionKey))).toBe(false);
    }),
  );
});

describe('the kept path', () => {
  test('agrees with the whole walk at any sequence of counters', () => {
    fc.assert(
      fc.property(bytes(16), bytes(10), fc.array(validCounter, { minLength: 1 }), (key, anyKsn, counters) => {
        const path = new TdesKeyPath(key, anyKsn);
        for (const counter of counters) {
          const at = tdesKsnAt(anyKsn, counter);
          expect(path.transactionKey(at)).toEqual(deriveTdesTransactionKey(key, at));
        }
      }),
    );
  });

  test('hands out copies: a wiped key is derived again', () => {
    const path = new TdesKeyPath(hex('6AC292FAA1315B4D858AB3A3D7D5933A'), ksn);
    path.transactionKey(ksn).fill(0);
    expect(toHex(path.transactionKey(ksn))).toBe('042666B49184CFA368DE9628D0397BC9');
  });

  test('refuses the KSN of another terminal, whichever bit differs', () => {
    const path = new TdesKeyPath(deriveTdesInitialKey(bdk, ksn), ksn);
    for (let bit = 0; bit < 59; bit++) {
      const foreign = Uint8Array.from(ksn);
      foreign[bit >>> 3]! ^= 0x80 >>> (bit & 7);
      expect(() => path.transactionKey(foreign)).toThrow(refusal('DUKPT_KSN_FOREIGN'));
    }
  });

  test('is of no use once wiped', () => {
    const path = new TdesKeyPath(new Uint8Array(16).fill(7), ksn);
    path.transactionKey(ksn);
    path.wipe();
    expect(() => path.transactionKey(ksn)).toThrow(refusal('DUKPT_WIPED'));
  });
});

describe('refusals', () => {
  const ik = new Uint8Array(16);
  const path = new TdesKeyPath(ik, ksn);
  const derivations: [string, (at: Uint8Array) => unknown][] = [
    ['from the initial key', (at) => deriveTdesTransactionKey(ik, at)],
    ['from the BDK', (at) => deriveTdesTransactionKeyFromBdk(bdk, at)],
    ['on the path', (at) => path.transactionKey(at)],
  ];

  test.each(derivations)('counters that no terminal uses, %s', (_, derive) => {
    for (const counter of [0, 0x7ff, 0x1ffc00, 0x1fffff]) {
      expect(() => derive(tdesKsnAt(ksn, counter))).toThrow(refusal('DUKPT_COUNTER_INVALID'));
    }
    for (const counter of [1, 0x3ff, 0x1ff800]) expect(() => derive(tdesKsnAt(ksn, counter))).not.toThrow();
  });

  test('text in place of bytes, also of as many digits as there should be bytes', () => {
    const text = (length: number) => '0'.repeat(length) as unknown as Uint8Array;
    expect(() => deriveTdesTransactionKey(text(16), ksn)).toThrow(refusal('DUKPT_KEY_LENGTH'));
    expect(() => deriveTdesInitialKey(text(24), ksn)).toThrow(refusal('DUKPT_KEY_LENGTH'));
    expect(() => deriveTdesTransactionKey(new Uint8Array(16), text(10))).toThrow(refusal('DUKPT_KSN_LENGTH'));
  });

  test('every wrong length', () => {
    for (let length = 0; length <= 33; length++) {
      const wrong = new Uint8Array(length);
      if (length !== 16) {
        for (const call of [
          () => deriveTdesTransactionKey(wrong, ksn),
          () => deriveTdesWorkingKey(wrong, 'PIN'),
          () => new TdesKeyPath(wrong, ksn),
        ]) {
          expect(call).toThrow(refusal('DUKPT_KEY_LENGTH'));
        }
      }
      if (length !== 16 && length !== 24) {
        expect(() => deriveTdesInitialKey(wrong, ksn)).toThrow(refusal('DUKPT_KEY_LENGTH'));
        expect(() => deriveTdesTransactionKeyFromBdk(wrong, ksn)).toThrow(refusal('DUKPT_KEY_LENGTH'));
      }
      if (length !== 10) {
        for (const [, derive] of derivations)
          expect(() => derive(wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
        expect(() => deriveTdesInitialKey(bdk, wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
        expect(() => new TdesKeyPath(ik, wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
      }
    }
  });

  test.each(['KEK', 'pin', 'toString', '__proto__'])('key usage %s', (usage) => {
    expect(() => deriveTdesWorkingKey(ik, usage as TdesKeyUsage)).toThrow(refusal('DUKPT_KEY_USAGE'));
  });
});

test('keys and KSNs given in are left alone', () => {
  const key = Uint8Array.from(bdk);
  const at = Uint8Array.from(ksn);
  deriveTdesTransactionKeyFromBdk(key, at);
  deriveTdesTransactionKey(key, at);
  deriveTdesWorkingKey(key, 'DATA_BOTH');
  new TdesKeyPath(key, at).transactionKey(at);
  expect([key, at]).toEqual([bdk, ksn]);
});
