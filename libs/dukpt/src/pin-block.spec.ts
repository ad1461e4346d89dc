import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { aes, tdes, xor } from '@openkdh/block-ciphers';
import fc from 'fast-check';
import { aesVectors, hex, tdesVectors, toHex } from '../../../test/support/dukpt-vectors.ts';
import {
  decryptPinBlock,
  deriveAesTransactionKeyFromBdk,
  deriveAesWorkingKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  encryptPinBlock,
  type PinBlockFormat,
} from './index.ts';
import { panField, pinField } from './pin-block.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const digits = (pin: string) => Uint8Array.from(pin, Number);
const noRandom = () => {
  throw new Error('format 0 draws no random bytes');
};

describe('X9.24-1:2009 A.4: PIN block of format 0', () => {
  test.each(tdesVectors.cases)('$id', ({ bdk, ksn, inputs, encryptedPinBlock }) => {
    const key = deriveTdesWorkingKey(deriveTdesTransactionKeyFromBdk(hex(bdk), hex(ksn)), 'PIN');
    const pin = digits(inputs.pin);
    const clear = pinField(0, pin, noRandom).map((byte, i) => byte ^ panField(0, inputs.pan)[i]!);
    expect(toHex(clear)).toBe(inputs.pinBlockClear);
    expect(toHex(encryptPinBlock(0, key, pin, inputs.pan, noRandom))).toBe(encryptedPinBlock);
    expect(decryptPinBlock(0, key, hex(encryptedPinBlock), inputs.pan)).toEqual(pin);
  });
});

describe('ASC X9 supplement: PIN block of format 4', () => {
  test.each(aesVectors.pinBlocks)('$id', (row) => {
    const transactionKey = deriveAesTransactionKeyFromBdk(hex(row.bdk), hex(row.ksn));
    const key = deriveAesWorkingKey(transactionKey, hex(row.ksn), 'PIN', 'AES128');
    expect(toHex(key)).toBe(row.pinKey);
    const pin = digits(row.pin);
    const random = () => hex(row.pinField.slice(16));
    expect(toHex(pinField(4, pin, random))).toBe(row.pinField);
    expect(toHex(panField(4, row.pan))).toBe(row.panField);
    expect(toHex(encryptPinBlock(4, key, pin, row.pan, random))).toBe(row.encryptedPinBlock);
    expect(decryptPinBlock(4, key, hex(row.encryptedPinBlock), row.pan)).toEqual(pin);
  });
});

describe('fields', () => {
  test('ISO 9564-1, format 3: fill of A to F, and every value occurs', () => {
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) {
      const field = toHex(pinField(3, digits('12345'), randomBytes));
      expect(field).toMatch(/^3512345[A-F]{9}$/);
      for (const half of field.slice(7)) seen.add(half);
    }
    expect([...seen].sort().join('')).toBe('ABCDEF');
  });

  test('the longest PIN', () => {
    expect(toHex(pinField(0, digits('123456789012'), noRandom))).toBe('0C123456789012FF');
    expect(toHex(pinField(4, digits('123456789012'), () => new Uint8Array(8)))).toBe(
      '4C123456789012AA0000000000000000',
    );
  });

  test('PAN of every length', () => {
    expect(toHex(panField(0, '12345678'))).toBe('0000000001234567');
    expect(toHex(panField(3, '1234567890123456789'))).toBe('0000789012345678');
    expect(toHex(panField(4, '12345678'))).toBe('00000123456780000000000000000000');
    expect(toHex(panField(4, '123456789012'))).toBe('01234567890120000000000000000000');
    expect(toHex(panField(4, '1234567890123456789'))).toBe('71234567890123456789000000000000');
  });
});

const formats: [PinBlockFormat, number[], number][] = [
  [0, [16, 24], 8],
  [3, [16, 24], 8],
  [4, [16, 24, 32], 16],
];

describe.each(formats)('format %i', (format, keyLengths, blockBytes) => {
  const anyKey = fc.constantFrom(...keyLengths).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
  const anyPin = fc.array(fc.nat(9), { minLength: 4, maxLength: 12 }).map((pin) => Uint8Array.from(pin));
  const anyPan = fc.stringMatching(/^[0-9]{8,19}$/);
  const key = new Uint8Array(16).map((_, i) => 31 * i);
  const pan = '4012345678909';

  test('round trip', () => {
    fc.assert(
      fc.property(anyKey, anyPin, anyPan, (pinKey, pin, anyPanText) => {
        const given = Uint8Array.from(pin);
        const block = encryptPinBlock(format, pinKey, given, anyPanText);
        expect(block).toHaveLength(blockBytes);
        expect(given).toEqual(pin);
        expect(decryptPinBlock(format, pinKey, block, anyPanText)).toEqual(pin);
      }),
    );
  });

  test('a bit flipped anywhere never gives the PIN, and gives one error', () => {
    const pin = digits('739215');
    const block = encryptPinBlock(format, key, pin, pan);
    let refused = 0;
    for (let bit = 0; bit < blockBytes * 8; bit++) {
      const flipped = Uint8Array.from(block);
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      try {
        expect(decryptPinBlock(format, key, flipped, pan)).not.toEqual(pin);
      } catch (error) {
        expect(error).toEqual(
          expect.objectContaining({
            code: 'DUKPT_PIN_BLOCK',
            message: `no PIN in this block: wrong key, PAN or format ${format}`,
          }),
        );
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(blockBytes * 8 - 5); // a random block seldom looks like a PIN
  });

  /** Encrypts a PIN field that no terminal would make. */
  function blockOf(field: string): Uint8Array {
    const cipher = format === 4 ? aes(key) : tdes(key);
    const first = hex(field.padEnd(2 * blockBytes, '0'));
    if (format === 4) cipher.encryptBlock(first, 0, first, 0);
    const block = xor(first, panField(format, pan));
    cipher.encryptBlock(block, 0, block, 0);
    return block;
  }

  test('a PIN field that is wrong in one place does not open', () => {
    const fill = format === 4 ? 'A' : 'F';
    const right = `${format}51234512345`.slice(0, 7).padEnd(16, fill);
    expect(decryptPinBlock(format, key, blockOf(right), pan)).toEqual(digits('12345'));
    const replaced = (at: number, half: string) => right.slice(0, at) + half + right.slice(at + 1);
    const wrongFill = format === 3 ? '9' : 'E';
    const wrong = [replaced(0, '2'), replaced(1, '3'), replaced(1, 'D'), replaced(1, '0')];
    for (let at = 2; at < 7; at++) wrong.push(replaced(at, 'A'));
    for (let at = 7; at < 16; at++) wrong.push(replaced(at, wrongFill));
    for (const field of wrong) {
      expect(() => decryptPinBlock(format, key, blockOf(field), pan)).toThrow(refusal('DUKPT_PIN_BLOCK'));
    }
  });

  test('another format, key or PAN does not open', () => {
    const block = encryptPinBlock(format, key, digits('739215'), pan);
    const other = format === 0 ? 3 : 0;
    if (format !== 4) {
      expect(() => decryptPinBlock(other, key, block, pan)).toThrow(refusal('DUKPT_PIN_BLOCK'));
    }
    expect(() => decryptPinBlock(format, new Uint8Array(16), block, pan)).toThrow(refusal('DUKPT_PIN_BLOCK'));
    const otherPan = '4999999999999';
    expect(() => decryptPinBlock(format, key, block, otherPan)).toThrow(refusal('DUKPT_PIN_BLOCK'));
  });

  test('every wrong length of key, block, PIN and PAN', () => {
    for (let length = 0; length <= 40; length++) {
      const bytes = new Uint8Array(length);
      if (!keyLengths.includes(length)) {
        expect(() => encryptPinBlock(format, bytes, digits('1234'), pan)).toThrow(
          refusal('DUKPT_KEY_LENGTH'),
        );
        expect(() => decryptPinBlock(format, bytes, new Uint8Array(blockBytes), pan)).toThrow(
          refusal('DUKPT_KEY_LENGTH'),
        );
      }
      if (length !== blockBytes) {
        expect(() => decryptPinBlock(format, key, bytes, pan)).toThrow(refusal('DUKPT_DATA_LENGTH'));
      }
      if (length < 4 || length > 12) {
        expect(() => encryptPinBlock(format, key, bytes, pan)).toThrow(refusal('DUKPT_PIN'));
      }
      if (length < 8 || length > 19) {
        const wrongPan = '1'.repeat(length);
        expect(() => encryptPinBlock(format, key, digits('1234'), wrongPan)).toThrow(refusal('DUKPT_PAN'));
        expect(() => decryptPinBlock(format, key, new Uint8Array(blockBytes), wrongPan)).toThrow(
          refusal('DUKPT_PAN'),
        );
      }
    }
  });

  test('a PIN or PAN that is no digits, without showing it', () => {
    const wrongPin = () => encryptPinBlock(format, key, Uint8Array.of(7, 3, 9, 10), pan);
    expect(wrongPin).toThrow(refusal('DUKPT_PIN'));
    expect(wrongPin).toThrow('PIN: expected 4 to 12 digits of 0 to 9, got 4 bytes');
    const wrongPan = () => encryptPinBlock(format, key, digits('1234'), '40123456789O9');
    expect(wrongPan).toThrow(refusal('DUKPT_PAN'));
    expect(wrongPan).toThrow('PAN: expected 8 to 19 digits, got 13 characters');
  });
});
