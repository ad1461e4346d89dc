import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { aes, aes128EncryptOnce, type BlockCipher, des, desEncryptOnce } from './index.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

test('FIPS 197 C.1', () => {
  const target = new Uint8Array(16);
  const key = hex('000102030405060708090a0b0c0d0e0f');
  aes128EncryptOnce(key, 0, hex('00112233445566778899aabbccddeeff'), 0, target, 0);
  expect(target).toEqual(hex('69c4e0d86a7b0430d8cdb78070b4c55a'));
});

test('NBS SP 500-20 variable plaintext 1', () => {
  const target = new Uint8Array(8);
  desEncryptOnce(hex('0101010101010101'), 0, hex('8000000000000000'), 0, target, 0);
  expect(target).toEqual(hex('95f8a5e5dd31d900'));
});

describe.each([
  ['AES-128', 16, aes128EncryptOnce, aes],
  ['DES', 8, desEncryptOnce, des],
] as const)('%s', (_, size, encryptOnce, keyed: (key: Uint8Array) => BlockCipher) => {
  test('agrees with the keyed cipher at every offset and in place', () => {
    for (let n = 0; n < 5000; n++) {
      const [keyAt, from, to] = [n % 3, n % 5, n % 7] as const;
      const key = randomBytes(keyAt + size);
      const source = randomBytes(from + size);
      const target = new Uint8Array(to + size);
      const expected = new Uint8Array(to + size);
      const cipher = keyed(key.subarray(keyAt));
      cipher.encryptBlock(source, from, expected, to);
      cipher.wipe();
      encryptOnce(key, keyAt, source, from, target, to);
      expect(Buffer.compare(target, expected)).toBe(0);
      encryptOnce(key, keyAt, source, from, source, from);
      expect(Buffer.compare(source.subarray(from), expected.subarray(to))).toBe(0);
    }
  });

  test('refuses a key or a block that ends too early', () => {
    const whole = new Uint8Array(size);
    const short = new Uint8Array(size - 1);
    const refuse = (key: Uint8Array, keyAt: number, source: Uint8Array, target: Uint8Array, code: string) =>
      expect(() => encryptOnce(key, keyAt, source, 0, target, 0)).toThrow(expect.objectContaining({ code }));
    refuse(short, 0, whole, whole, 'BLOCK_CIPHER_KEY_LENGTH');
    refuse(whole, 1, whole, whole, 'BLOCK_CIPHER_KEY_LENGTH');
    refuse(whole, 0, short, whole, 'BLOCK_CIPHER_DATA_LENGTH');
    refuse(whole, 0, whole, short, 'BLOCK_CIPHER_DATA_LENGTH');
  });
});
