import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aesVectors, hex, tdesVectors, toHex } from '../../../test/support/dukpt-vectors.ts';
import {
  type DataCipher,
  decryptData,
  deriveAesTransactionKeyFromBdk,
  deriveAesWorkingKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  encryptData,
  generateMac,
  type MacMethod,
  verifyMac,
} from './index.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const text = (value: string) => new Uint8Array(Buffer.from(value, 'ascii'));

describe('X9.24-1:2009 A.4: MAC and data of a request and of its response', () => {
  test.each(tdesVectors.cases)('$id', (row) => {
    const transactionKey = deriveTdesTransactionKeyFromBdk(hex(row.bdk), hex(row.ksn));
    const data = text(row.inputs.data);
    const macRequestKey = deriveTdesWorkingKey(transactionKey, 'MAC_REQUEST');
    const macResponseKey = deriveTdesWorkingKey(transactionKey, 'MAC_RESPONSE');
    expect(toHex(generateMac('RETAIL', macRequestKey, data))).toBe(row.macRequest);
    expect(toHex(generateMac('RETAIL', macResponseKey, data))).toBe(row.macResponse);
    expect(toHex(generateMac('TDES_CMAC', macRequestKey, data))).toBe(row.cmacRequest);
    expect(toHex(generateMac('TDES_CMAC', macResponseKey, data))).toBe(row.cmacResponse);
    for (const [usage, encrypted] of [
      ['DATA_REQUEST', row.dataRequest],
      ['DATA_RESPONSE', row.dataResponse],
    ] as const) {
      const key = deriveTdesWorkingKey(transactionKey, usage);
      expect(toHex(encryptData('TDES', key, data))).toBe(encrypted);
      expect(decryptData('TDES', key, hex(encrypted)).subarray(0, data.length)).toEqual(data);
    }
  });
});

describe('AES: MAC and data of a request and of its response', () => {
  test.each(aesVectors.operations)('$id', (row) => {
    const ksn = hex(row.ksn);
    const transactionKey = deriveAesTransactionKeyFromBdk(hex(row.bdk), ksn);
    const data = text(row.data);
    for (const [usage, cmac, hmac] of [
      ['MAC_GEN', row.cmacRequest, row.hmacSha256Request],
      ['MAC_VER', row.cmacResponse, row.hmacSha256Response],
    ] as const) {
      const cmacKey = deriveAesWorkingKey(transactionKey, ksn, usage, 'AES128');
      expect(toHex(generateMac('AES_CMAC', cmacKey, data))).toBe(cmac);
      const hmacKey = deriveAesWorkingKey(transactionKey, ksn, usage, 'HMAC128');
      expect(toHex(generateMac('HMAC_SHA256', hmacKey, data))).toBe(hmac);
    }
    for (const [usage, encrypted] of [
      ['DATA_ENC', row.dataRequest],
      ['DATA_DEC', row.dataResponse],
    ] as const) {
      const key = deriveAesWorkingKey(transactionKey, ksn, usage, 'AES128');
      expect(toHex(encryptData('AES', key, data))).toBe(encrypted);
      expect(decryptData('AES', key, hex(encrypted)).subarray(0, data.length)).toEqual(data);
    }
  });
});

const ciphers = [
  ['TDES', [16, 24], 8],
  ['AES', [16, 24, 32], 16],
] as const satisfies [DataCipher, number[], number][];

describe.each(ciphers)('data under %s', (cipher, keyLengths, blockBytes) => {
  test('decrypts to the data and the fewest zeros that fill its blocks', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keyLengths), fc.uint8Array({ maxLength: 70 }), (length, data) => {
        const key = new Uint8Array(length).fill(length);
        const encrypted = encryptData(cipher, key, data);
        expect(encrypted.length % blockBytes).toBe(0);
        expect(encrypted.length - data.length).toBeLessThan(blockBytes);
        const padded = new Uint8Array(encrypted.length);
        padded.set(data);
        expect(decryptData(cipher, key, encrypted)).toEqual(padded);
      }),
    );
  });

  test('every wrong length of key and of encrypted data', () => {
    for (let length = 0; length <= 40; length++) {
      const bytes = new Uint8Array(length);
      if (!(keyLengths as readonly number[]).includes(length)) {
        expect(() => encryptData(cipher, bytes, bytes)).toThrow(refusal('DUKPT_KEY_LENGTH'));
        expect(() => decryptData(cipher, bytes, bytes)).toThrow(refusal('DUKPT_KEY_LENGTH'));
      }
      if (length % blockBytes !== 0) {
        expect(() => decryptData(cipher, new Uint8Array(16), bytes)).toThrow(refusal('DUKPT_DATA_LENGTH'));
      }
    }
  });
});

const methods = [
  ['RETAIL', [16], 8],
  ['TDES_CMAC', [16, 24], 8],
  ['AES_CMAC', [16, 24, 32], 16],
  ['HMAC_SHA256', [16, 24, 32], 32],
] as const satisfies [MacMethod, number[], number][];

describe.each(methods)('MAC by %s', (method, keyLengths, macBytes) => {
  const key = new Uint8Array(16).map((_, i) => 17 * i);
  const message = text('4012345678909D987');

  test('verifies whole or by its left bytes, and no longer with a bit flipped in MAC, message or key', () => {
    const mac = generateMac(method, key, message);
    expect(mac).toHaveLength(macBytes);
    for (let length = 4; length <= macBytes; length++) {
      expect(verifyMac(method, key, message, mac.subarray(0, length))).toBe(true);
    }
    for (let bit = 0; bit < macBytes * 8; bit++) {
      const flipped = Uint8Array.from(mac);
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      expect(verifyMac(method, key, message, flipped)).toBe(false);
    }
    for (let bit = 0; bit < message.length * 8; bit++) {
      const flipped = Uint8Array.from(message);
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      expect(verifyMac(method, key, flipped, mac)).toBe(false);
    }
    for (let bit = 0; bit < 128; bit++) {
      const isParity = method !== 'AES_CMAC' && method !== 'HMAC_SHA256' && bit % 8 === 0;
      const flipped = Uint8Array.from(key);
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      expect(verifyMac(method, flipped, message, mac)).toBe(isParity); // DES ignores its parity bits
    }
  });

  test('every wrong length of key and MAC', () => {
    for (let length = 0; length <= 40; length++) {
      const bytes = new Uint8Array(length);
      if (!(keyLengths as readonly number[]).includes(length)) {
        expect(() => generateMac(method, bytes, message)).toThrow(refusal('DUKPT_KEY_LENGTH'));
      }
      if (length < 4 || length > macBytes) {
        expect(() => verifyMac(method, key, message, bytes)).toThrow(refusal('DUKPT_MAC_LENGTH'));
      }
    }
  });
});
