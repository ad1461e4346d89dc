import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aes, type BlockCipher, cbcDecrypt, cbcEncrypt, ctr, ecbDecrypt, ecbEncrypt, tdes } from './index.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

// NIST SP 800-38A, appendix F: one key and four blocks of plaintext for all modes.
const key = hex('2b7e151628aed2a6abf7158809cf4f3c');
const plain = hex(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
    '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
);

describe('NIST SP 800-38A, appendix F', () => {
  test('F.1.1 and F.1.2, ECB-AES128', () => {
    const cipherText = hex(
      '3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf' +
        '43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4',
    );
    expect(ecbEncrypt(aes(key), plain)).toEqual(cipherText);
    expect(ecbDecrypt(aes(key), cipherText)).toEqual(plain);
  });

  test('F.2.1 and F.2.2, CBC-AES128', () => {
    const iv = hex('000102030405060708090a0b0c0d0e0f');
    const cipherText = hex(
      '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2' +
        '73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7',
    );
    expect(cbcEncrypt(aes(key), iv, plain)).toEqual(cipherText);
    expect(cbcDecrypt(aes(key), iv, cipherText)).toEqual(plain);
  });

  test('F.5.1, CTR-AES128', () => {
    const counter = hex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
    expect(ctr(aes(key), counter, plain)).toEqual(
      hex(
        '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff' +
          '5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee',
      ),
    );
  });
});

describe('properties', () => {
  const cipher = fc.constantFrom<[string, string, (key: Uint8Array) => BlockCipher, number, number]>(
    ['aes-128-cbc', 'aes-128-ctr', aes, 16, 16],
    ['aes-256-cbc', 'aes-256-ctr', aes, 32, 16],
    ['des-ede3-cbc', '', tdes, 24, 8],
  );

  test('CBC is that of node:crypto and its own inverse, at every number of blocks', () => {
    fc.assert(
      fc.property(cipher, fc.nat(9), ([cbc, , make, keyBytes, blockBytes], blocks) => {
        const [k, iv, data] = [
          randomBytes(keyBytes),
          randomBytes(blockBytes),
          randomBytes(blocks * blockBytes),
        ];
        const expected = createCipheriv(cbc, k, iv).setAutoPadding(false).update(data);
        const encrypted = cbcEncrypt(make(k), iv, data);
        expect(expected.equals(encrypted)).toBe(true);
        expect(data.equals(cbcDecrypt(make(k), iv, encrypted))).toBe(true);
      }),
    );
  });

  test('CTR is that of node:crypto at every length', () => {
    for (let bytes = 0; bytes <= 70; bytes++) {
      const [k, counter, data] = [randomBytes(16), randomBytes(16), randomBytes(bytes)];
      expect(
        createCipheriv('aes-128-ctr', k, counter)
          .update(data)
          .equals(ctr(aes(k), counter, data)),
      ).toBe(true);
    }
  });

  test('the counter of CTR carries over its whole width', () => {
    const counter = new Uint8Array(16).fill(0xff);
    const stream = ctr(aes(key), counter, new Uint8Array(32));
    expect(stream.slice(16)).toEqual(ecbEncrypt(aes(key), new Uint8Array(16)));
    expect(counter).toEqual(new Uint8Array(16).fill(0xff));
  });

  test('the input is left alone', () => {
    const data = new Uint8Array(32).fill(3);
    const iv = new Uint8Array(16).fill(4);
    for (const mode of [cbcEncrypt, cbcDecrypt, ctr]) mode(aes(key), iv, data);
    for (const mode of [ecbEncrypt, ecbDecrypt]) mode(aes(key), data);
    expect([data, iv]).toEqual([new Uint8Array(32).fill(3), new Uint8Array(16).fill(4)]);
  });
});

describe('refusals', () => {
  test('every length that is not a multiple of the block', () => {
    const refusal = expect.objectContaining({ code: 'BLOCK_CIPHER_DATA_LENGTH' });
    for (let bytes = 1; bytes < 40; bytes++) {
      const data = new Uint8Array(bytes);
      if (bytes % 16 !== 0) {
        expect(() => ecbEncrypt(aes(key), data)).toThrow(refusal);
        expect(() => ecbDecrypt(aes(key), data)).toThrow(refusal);
        expect(() => cbcEncrypt(aes(key), new Uint8Array(16), data)).toThrow(refusal);
        expect(() => cbcDecrypt(aes(key), new Uint8Array(16), data)).toThrow(refusal);
      }
    }
  });

  test('every IV or counter that is not one block', () => {
    const refusal = expect.objectContaining({ code: 'BLOCK_CIPHER_IV_LENGTH' });
    for (let bytes = 0; bytes < 40; bytes++) {
      if (bytes === 16) continue;
      for (const mode of [cbcEncrypt, cbcDecrypt, ctr]) {
        expect(() => mode(aes(key), new Uint8Array(bytes), plain)).toThrow(refusal);
      }
    }
  });
});
