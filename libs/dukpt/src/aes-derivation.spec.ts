import { describe, expect, test } from '@jest/globals';
import type { CipherEngine } from '@openkdh/block-ciphers';
import fc from 'fast-check';
import { aesVectors, hex, toHex } from '../../../test/support/dukpt-vectors.ts';
import { aesStep, workingKeyAt } from './aes-derivation.ts';
import { aesCounter, isTransactionCounter, nextCounter } from './counter.ts';
import {
  AesKeyPath,
  type AesKeyType,
  type AesKeyUsage,
  aesKeyTypes,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesTransactionKeyFromBdk,
  deriveAesUpdateKey,
  deriveAesWorkingKey,
} from './index.ts';
import { walk } from './key-path.ts';
import { aesKsnAt, aesKsnCounter } from './ksn.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyBdk = fc.constantFrom(16, 24, 32).chain(bytes);
const validCounter = fc.nat(0xfffeffff).map((counter) => nextCounter(aesCounter, counter)!);
const engines: CipherEngine[] = ['table', 'openssl'];

const bdk = hex('FEDCBA9876543210F1F1F1F1F1F1F1F1');
const ksn = hex('123456789012345600000001');
const id = (at: Uint8Array) => at.subarray(0, 8);

/** The rule without the check of the counter: the supplement goes on to 0001FFFF and FFFFFFFF, which no terminal uses. */
function transactionKeyAnywhere(from: Uint8Array, at: Uint8Array, engine: CipherEngine): Uint8Array {
  const key = deriveAesInitialKey(from, id(at), engine);
  walk(key, 0, aesKsnCounter(at), aesStep(at, key.length, engine));
  return key;
}

describe.each(engines)('X9.24-3:2017 Annex B and the ASC X9 supplement, engine %s', (engine) => {
  test.each(aesVectors.cases)('$id', (row) => {
    if (row.kind === 'ik') {
      expect(toHex(deriveAesInitialKey(hex(row.bdk), hex(row.initialKeyId), engine))).toBe(row.value);
      return;
    }
    const from = hex(row.bdk);
    const at = hex(row.ksn);
    const published3Tdea = row.keyType === '3TDEA' && from.length === 16;
    const options = { engine, allowStrongerWorkingKey: published3Tdea };
    const transactionKey = transactionKeyAnywhere(from, at, engine);
    const initialKey = deriveAesInitialKey(from, id(at), engine);
    if (row.kind === 'transactionKey') expect(toHex(transactionKey)).toBe(row.value);
    else expect(toHex(workingKeyAt(transactionKey, at, row.keyUsage, row.keyType, options))).toBe(row.value);

    if (row.kind === 'updateKey') {
      expect(toHex(deriveAesUpdateKey(initialKey, id(at), row.keyType, options))).toBe(row.value);
    } else if (isTransactionCounter(aesCounter, aesKsnCounter(at))) {
      expect(deriveAesTransactionKey(initialKey, at, engine)).toEqual(transactionKey);
      expect(deriveAesTransactionKeyFromBdk(from, at, engine)).toEqual(transactionKey);
      expect(new AesKeyPath(initialKey, at, engine).transactionKey(at)).toEqual(transactionKey);
      if (row.kind === 'workingKey') {
        const key = deriveAesWorkingKey(transactionKey, at, row.keyUsage, row.keyType, options);
        expect(toHex(key)).toBe(row.value);
      }
    } else {
      expect(() => deriveAesTransactionKey(initialKey, at, engine)).toThrow(refusal('DUKPT_COUNTER_INVALID'));
    }
  });

  test('every key type, usage and counter, as openemv/dukpt gives them', () => {
    for (const { bdk: from, ksn: at, keyType, keyUsage, value } of aesVectors.crossProduct.rows) {
      const transactionKey = deriveAesTransactionKeyFromBdk(hex(from), hex(at), engine);
      const key = deriveAesWorkingKey(transactionKey, hex(at), keyUsage, keyType, {
        engine,
        allowStrongerWorkingKey: keyType === '3TDEA' && from.length === 32,
      });
      if (toHex(key) !== value) throw new Error(`${from.length * 4} ${at} ${keyType} ${keyUsage}`);
    }
  });
});

describe('X9.24-3:2017 6.1.3: no working key is longer than the BDK', () => {
  const types = Object.keys(aesKeyTypes) as AesKeyType[];
  const tooStrong = [
    [16, ['3TDEA', 'AES192', 'AES256', 'HMAC192', 'HMAC256']],
    [24, ['AES256', 'HMAC256']],
    [32, []],
  ] as const;

  test.each(tooStrong)('BDK of %i bytes', (length, refused) => {
    const key = new Uint8Array(length);
    for (const type of types) {
      for (const derive of [
        (allowStrongerWorkingKey?: boolean) =>
          deriveAesWorkingKey(key, ksn, 'KEK', type, { allowStrongerWorkingKey }),
        (allowStrongerWorkingKey?: boolean) =>
          deriveAesUpdateKey(key, id(ksn), type, { allowStrongerWorkingKey }),
      ]) {
        if ((refused as readonly string[]).includes(type)) {
          expect(() => derive()).toThrow(refusal('DUKPT_KEY_TOO_STRONG'));
          expect(() => derive(false)).toThrow(refusal('DUKPT_KEY_TOO_STRONG'));
        } else {
          expect(derive()).toEqual(derive(true));
        }
        expect(derive(true)).toHaveLength(aesKeyTypes[type].keyBytes);
      }
    }
  });
});

test('the initial key depends on all 8 bytes of its id, a transaction key on the last 4', () => {
  const initialKey = deriveAesInitialKey(bdk, id(ksn));
  const initialKeys = new Set([toHex(initialKey)]);
  const transactionKeys = new Set([toHex(deriveAesTransactionKey(initialKey, ksn))]);
  for (let bit = 0; bit < 64; bit++) {
    const flipped = Uint8Array.from(ksn);
    flipped[bit >>> 3]! ^= 0x80 >>> (bit & 7);
    initialKeys.add(toHex(deriveAesInitialKey(bdk, id(flipped))));
    transactionKeys.add(toHex(deriveAesTransactionKey(initialKey, flipped)));
  }
  expect(initialKeys.size).toBe(65);
  expect(transactionKeys.size).toBe(33);
});

describe('the kept path', () => {
  test('agrees with the whole walk at any sequence of counters', () => {
    fc.assert(
      fc.property(anyBdk, bytes(12), fc.array(validCounter, { minLength: 1 }), (key, anyKsn, counters) => {
        const path = new AesKeyPath(key, anyKsn);
        for (const counter of counters) {
          const at = aesKsnAt(anyKsn, counter);
          expect(path.transactionKey(at)).toEqual(deriveAesTransactionKey(key, at));
        }
      }),
    );
  });

  test('hands out copies, refuses the KSN of another terminal, and is of no use once wiped', () => {
    const path = new AesKeyPath(deriveAesInitialKey(bdk, id(ksn)), ksn);
    path.transactionKey(ksn).fill(0);
    expect(toHex(path.transactionKey(ksn))).toBe('4F21B565BAD9835E112B6465635EAE44');
    for (let bit = 0; bit < 64; bit++) {
      const foreign = Uint8Array.from(ksn);
      foreign[bit >>> 3]! ^= 0x80 >>> (bit & 7);
      expect(() => path.transactionKey(foreign)).toThrow(refusal('DUKPT_KSN_FOREIGN'));
    }
    path.wipe();
    expect(() => path.transactionKey(ksn)).toThrow(refusal('DUKPT_WIPED'));
  });
});

describe('refusals', () => {
  const path = new AesKeyPath(bdk, ksn);
  const derivations: [string, (at: Uint8Array) => unknown][] = [
    ['from the initial key', (at) => deriveAesTransactionKey(bdk, at)],
    ['from the BDK', (at) => deriveAesTransactionKeyFromBdk(bdk, at)],
    ['on the path', (at) => path.transactionKey(at)],
    ['of a working key', (at) => deriveAesWorkingKey(bdk, at, 'PIN', 'AES128')],
  ];

  test.each(derivations)('counters that no terminal uses, %s', (_, derive) => {
    for (const counter of [0, 0x1ffff, 0xffff8000, 0xffffffff]) {
      expect(() => derive(aesKsnAt(ksn, counter))).toThrow(refusal('DUKPT_COUNTER_INVALID'));
    }
    for (const counter of [1, 0xffff, 0xffff0000]) expect(() => derive(aesKsnAt(ksn, counter))).not.toThrow();
  });

  test('every wrong length', () => {
    for (let length = 0; length <= 40; length++) {
      const wrong = new Uint8Array(length);
      if (![16, 24, 32].includes(length)) {
        for (const call of [
          () => deriveAesInitialKey(wrong, id(ksn)),
          () => deriveAesTransactionKey(wrong, ksn),
          () => deriveAesTransactionKeyFromBdk(wrong, ksn),
          () => deriveAesWorkingKey(wrong, ksn, 'PIN', 'AES128'),
          () => deriveAesUpdateKey(wrong, id(ksn), 'AES128'),
          () => new AesKeyPath(wrong, ksn),
        ]) {
          expect(call).toThrow(refusal('DUKPT_KEY_LENGTH'));
        }
      }
      if (length !== 12) {
        for (const [, derive] of derivations)
          expect(() => derive(wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
        expect(() => new AesKeyPath(bdk, wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
      }
      if (length !== 8) {
        expect(() => deriveAesInitialKey(bdk, wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
        expect(() => deriveAesUpdateKey(bdk, wrong, 'AES128')).toThrow(refusal('DUKPT_KSN_LENGTH'));
      }
    }
  });

  test.each(['IK', 'MAC_REQUEST', 'toString'])('key usage %s', (usage) => {
    const call = () => deriveAesWorkingKey(bdk, ksn, usage as AesKeyUsage, 'AES128');
    expect(call).toThrow(refusal('DUKPT_KEY_USAGE'));
  });

  test.each(['HMAC', 'AES512', 'constructor'])('key type %s', (type) => {
    const call = () => deriveAesWorkingKey(bdk, ksn, 'PIN', type as AesKeyType);
    expect(call).toThrow(refusal('DUKPT_KEY_TYPE'));
  });
});

test('keys and KSNs given in are left alone', () => {
  const key = Uint8Array.from(bdk);
  const at = Uint8Array.from(ksn);
  deriveAesTransactionKeyFromBdk(key, at);
  deriveAesTransactionKey(key, at);
  deriveAesWorkingKey(key, at, 'DATA_BOTH', 'AES128');
  deriveAesUpdateKey(key, id(at), 'AES128');
  new AesKeyPath(key, at).transactionKey(at);
  expect([key, at]).toEqual([bdk, ksn]);
});
