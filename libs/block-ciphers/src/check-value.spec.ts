import { describe, expect, test } from '@jest/globals';
import { equalConstantTime, kcvAes, kcvTdes, wipe, xor } from './index.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

describe('check values', () => {
  test('legacy, of a TDES key in a published key block (TR-31:2018 A.7.2.1)', () => {
    expect(kcvTdes(hex('f039121bec83d26b169bdcd5b22aaf8f'))).toEqual(hex('cb9dea'));
    expect(kcvTdes(hex('f039121bec83d26b169bdcd5b22aaf8f'), 2)).toEqual(hex('cb9d'));
    expect(kcvTdes(hex('f039121bec83d26b169bdcd5b22aaf8f'), 1)).toEqual(hex('cb'));
  });

  test('CMAC, of the AES initial key in the recorded payShield exchange', () => {
    expect(kcvAes(hex('35f14b79557f9dac781b525e796a1ab5'))).toEqual(hex('dd3abe'));
    expect(kcvAes(hex('35f14b79557f9dac781b525e796a1ab5'), 5).slice(0, 3)).toEqual(hex('dd3abe'));
  });

  test('longer than the method allows, empty or fractional is refused', () => {
    const refusal = expect.objectContaining({ code: 'BLOCK_CIPHER_CHECK_VALUE_LENGTH' });
    for (const bytes of [-1, 0, 1.5, 4]) expect(() => kcvTdes(new Uint8Array(16), bytes)).toThrow(refusal);
    for (const bytes of [-1, 0, 2.5, 6]) expect(() => kcvAes(new Uint8Array(16), bytes)).toThrow(refusal);
  });
});

describe('bytes', () => {
  test('equal: every single flipped bit and every other length is seen', () => {
    const a = new Uint8Array(16).fill(0x5a);
    expect(equalConstantTime(a, Uint8Array.from(a))).toBe(true);
    for (let bit = 0; bit < 128; bit++) {
      const b = Uint8Array.from(a);
      b[bit >>> 3]! ^= 1 << (bit & 7);
      expect(equalConstantTime(a, b)).toBe(false);
    }
    for (let bytes = 0; bytes < 16; bytes++) expect(equalConstantTime(a, a.subarray(0, bytes))).toBe(false);
  });

  test('xor', () => {
    expect(xor(hex('ff0f'), hex('0ff0'))).toEqual(hex('f0ff'));
    expect(() => xor(hex('ff'), hex('0ff0'))).toThrow(
      expect.objectContaining({ code: 'BLOCK_CIPHER_DATA_LENGTH' }),
    );
  });

  test('wipe fills every buffer with zeros and lets undefined pass', () => {
    const [a, b] = [new Uint8Array(3).fill(1), Buffer.from('secret')];
    wipe(a, undefined, b);
    expect([...a, ...b].every((byte) => byte === 0)).toBe(true);
  });
});
