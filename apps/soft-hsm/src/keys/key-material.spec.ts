import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Refusal } from '../answer-codes.ts';
import { keyAlgorithms } from './algorithms.ts';
import { generateKey, hasOddParity, requireSoundKey, setOddParity } from './key-material.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const codeOf = (algorithm: keyof typeof keyAlgorithms, key: Uint8Array) => {
  try {
    requireSoundKey(keyAlgorithms[algorithm], key);
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
  return '00';
};

const a = '0123456789ABCDEF';
const b = 'FEDCBA9876543210';
const c = '80808080FEFEFEFE';

describe('requireSoundKey', () => {
  test.each<[string, keyof typeof keyAlgorithms, string]>([
    ['00', 'T2', `${a}${b}`],
    ['00', 'T3', `${a}${b}${c}`],
    ['00', 'A1', `${a}${a}`], // AES has no halves
    ['00', 'A3', '9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A'],
    ['11', 'A1', '00'.repeat(16)],
    ['11', 'A2', 'FF'.repeat(24)],
    ['11', 'T2', '00'.repeat(16)],
    ['75', 'T2', `${a}${a}`],
    ['75', 'T2', `${a}0022446688AACCEE`], // the same DES key without its parity
    ['75', 'T3', `${a}${a}${b}`],
    ['75', 'T3', `${a}${b}${b}`],
    ['11', 'T3', `${a}${b}${a}`],
    ['11', 'T2', `${a} 0101010101010101`],
    ['11', 'T2', `1FFE1FFE0EFE0EFE ${a}`],
    ['11', 'T3', `${a}${b} E001E001F101F101`],
    ['11', 'T2', `${a} 0000000000000000`], // weak without parity too
  ])('%s: %s %s', (code, algorithm, key) => {
    expect(codeOf(algorithm, hex(key))).toBe(code);
  });
});

describe('generateKey', () => {
  const random = (lengthBytes: number) => randomBytes(lengthBytes);

  test.each(Object.keys(keyAlgorithms) as (keyof typeof keyAlgorithms)[])(
    '%s: length, parity, sound',
    (name) => {
      const algorithm = keyAlgorithms[name];
      for (let n = 0; n < 50; n += 1) {
        const key = generateKey(algorithm, random);
        expect(key).toHaveLength(algorithm.keyBytes);
        expect(algorithm.letter === 'A' || hasOddParity(key)).toBe(true);
        expect(codeOf(name, key)).toBe('00');
      }
    },
  );

  test('a degenerate draw is thrown away', () => {
    const draws = [Buffer.alloc(16), hex(`${a}${a}`), hex(`${a}${b}`)];
    expect(
      generateKey(keyAlgorithms.T2, () => draws.shift()!)
        .toString('hex')
        .toUpperCase(),
    ).toBe(`${a}${b}`);
    expect(draws).toHaveLength(0);
  });
});

test('odd parity of all 256 bytes', () => {
  for (let byte = 0; byte < 256; byte += 1) {
    const key = Uint8Array.of(byte);
    setOddParity(key);
    expect(key[0]! >> 1).toBe(byte >> 1);
    expect(key[0]!.toString(2).replaceAll('0', '').length % 2).toBe(1);
  }
});
