/** What is left in memory: every typed array that a call made is searched for keys, all but what the caller got. */
import { describe, expect, test } from '@jest/globals';
import { holdsSecret, recordArrays } from '../../../test/support/array-recorder.ts';
import { hex } from '../../../test/support/dukpt-vectors.ts';
import {
  AesDukptRegisters,
  AesKeyPath,
  DukptError,
  decryptPinBlock,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesTransactionKeyFromBdk,
  deriveAesUpdateKey,
  deriveAesWorkingKey,
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  encryptPinBlock,
  initialAesKsn,
  initialTdesKsn,
  nextAesKsn,
  nextTdesKsn,
  TdesDukptRegisters,
  TdesKeyPath,
} from './index.ts';

const tdesBdk = hex('0123456789ABCDEFFEDCBA9876543210');
const tdesKsn = hex('FFFF9876543210E000AB');
const tdesIk = deriveTdesInitialKey(tdesBdk, tdesKsn);
const tdesKey = deriveTdesTransactionKey(tdesIk, tdesKsn);
const aesBdk = hex('FEDCBA9876543210F1F1F1F1F1F1F1F1');
const aesKsn = hex('1234567890123456000000AB');
const initialKeyId = aesKsn.slice(0, 8);
const aesIk = deriveAesInitialKey(aesBdk, initialKeyId);
const aesKey = deriveAesTransactionKey(aesIk, aesKsn);
const pin = hex('01020304');
const pan = '4012345678909';

/** The keys on the way to the transaction, and those that a call returns. */
const secrets = [
  ...[tdesBdk, tdesIk, aesBdk, aesIk, tdesKey, aesKey],
  ...onTheWay([0x80, 0xa0, 0xa8, 0xaa], tdesKsn, (ksn) => deriveTdesTransactionKey(tdesIk, ksn)),
  ...onTheWay([0x80, 0xa0, 0xa8, 0xaa], aesKsn, (ksn) => deriveAesTransactionKey(aesIk, ksn)),
  deriveTdesWorkingKey(tdesKey, 'DATA_REQUEST'),
  deriveTdesWorkingKey(tdesKey, 'PIN'),
  deriveAesWorkingKey(aesKey, aesKsn, 'PIN', 'AES128'),
];

function onTheWay(counters: number[], ksn: Uint8Array, derive: (ksn: Uint8Array) => Uint8Array) {
  return counters.map((counter) => derive(ksn.with(ksn.length - 1, counter)));
}

/** A key that the caller got, and wipes. */
const taken = (key: Uint8Array) => void key.fill(0);

const calls: [string, () => void][] = [
  ['TDES initial key', () => taken(deriveTdesInitialKey(tdesBdk, tdesKsn))],
  ['TDES transaction key from the BDK', () => taken(deriveTdesTransactionKeyFromBdk(tdesBdk, tdesKsn))],
  ['TDES transaction key from the IK', () => taken(deriveTdesTransactionKey(tdesIk, tdesKsn))],
  ['TDES data key', () => taken(deriveTdesWorkingKey(tdesKey, 'DATA_REQUEST'))],
  ['TDES PIN key', () => taken(deriveTdesWorkingKey(tdesKey, 'PIN'))],
  ['AES initial key', () => taken(deriveAesInitialKey(aesBdk, initialKeyId))],
  ['AES transaction key from the BDK', () => taken(deriveAesTransactionKeyFromBdk(aesBdk, aesKsn))],
  ['AES transaction key from the IK', () => taken(deriveAesTransactionKey(aesIk, aesKsn))],
  ['AES working key', () => taken(deriveAesWorkingKey(aesKey, aesKsn, 'PIN', 'AES128'))],
  ['AES update key', () => taken(deriveAesUpdateKey(aesIk, initialKeyId, 'AES128'))],
  [
    'a TDES key path',
    () => {
      const path = new TdesKeyPath(tdesIk, tdesKsn);
      taken(path.transactionKey(tdesKsn));
      taken(path.transactionKey(nextTdesKsn(tdesKsn)));
      path.wipe();
    },
  ],
  [
    'an AES key path',
    () => {
      const path = new AesKeyPath(aesIk, aesKsn);
      taken(path.transactionKey(aesKsn));
      taken(path.transactionKey(nextAesKsn(aesKsn)));
      path.wipe();
    },
  ],
  [
    'TDES registers',
    () => {
      const registers = TdesDukptRegisters.load(tdesIk, initialTdesKsn(tdesKsn));
      for (let n = 0; n < 0xab; n++) taken(registers.next().key);
      registers.wipe();
    },
  ],
  [
    'AES registers',
    () => {
      const registers = AesDukptRegisters.load(aesIk, initialAesKsn(aesKsn));
      for (let n = 0; n < 0xab; n++) taken(registers.next().key);
      registers.wipe();
    },
  ],
];

describe('leaves no key', () => {
  test.each(calls)('%s', (_, call) => {
    const made = recordArrays(call);
    expect(made.length).toBeGreaterThan(0);
    expect(made.filter((array) => holdsSecret(array, secrets))).toEqual([]);
    expect(made.filter((array) => array instanceof Int32Array && array.some(Boolean))).toEqual([]);
  });

  test('registers hold no key that was used, nor the initial key', () => {
    const made = recordArrays(() => {
      const registers = TdesDukptRegisters.load(tdesIk, initialTdesKsn(tdesKsn));
      for (let n = 0; n < 0xab; n++) taken(registers.next().key);
    });
    expect(made.filter((array) => holdsSecret(array, [tdesIk, tdesKey]))).toEqual([]);
  });
});

describe('leaves no PIN', () => {
  test.each([
    [0, tdesKey],
    [3, tdesKey],
    [4, aesKey],
  ] as const)('format %d', (format, key) => {
    const block = encryptPinBlock(format, key, pin, pan);
    const made = recordArrays(() => {
      encryptPinBlock(format, key, pin, pan);
      taken(decryptPinBlock(format, key, block, pan));
      const other = block.with(0, block[0]! ^ 1);
      try {
        taken(decryptPinBlock(format, key, other, pan));
      } catch (refusal) {
        expect(refusal).toBeInstanceOf(DukptError);
      }
    });
    // As digits of a PIN field: control and length, then the PIN and its filler.
    const fields = { 0: [0x04, 0x12, 0x34], 3: [0x34, 0x12, 0x34], 4: [0x44, 0x12, 0x34] }[format];
    const holdsPin = (array: Uint8Array | Int32Array) => {
      const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
      return bytes.includes(Buffer.from(pin)) || bytes.includes(Buffer.from(fields));
    };
    expect(made.filter(holdsPin)).toEqual([]);
  });
});
