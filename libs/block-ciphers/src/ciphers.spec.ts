import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  aes,
  type BlockCipher,
  BlockCipherError,
  type CipherEngine,
  des,
  ecbDecrypt,
  ecbEncrypt,
  tdes,
} from './index.ts';
import { OpensslCipher } from './openssl.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const engines: CipherEngine[] = ['table', 'openssl'];

// FIPS 197, appendix C; NIST SP 800-67 example as used in NIST's "TDES core" worked examples; FIPS 46-3 single DES:
// the widely published 133457799BBCDFF1 worked example, and NBS SP 500-20, table "variable plaintext", first entry.
const published = [
  {
    id: 'FIPS 197 C.1',
    make: aes,
    key: '000102030405060708090a0b0c0d0e0f',
    plain: '00112233445566778899aabbccddeeff',
    cipher: '69c4e0d86a7b0430d8cdb78070b4c55a',
  },
  {
    id: 'FIPS 197 C.2',
    make: aes,
    key: '000102030405060708090a0b0c0d0e0f1011121314151617',
    plain: '00112233445566778899aabbccddeeff',
    cipher: 'dda97ca4864cdfe06eaf70a0ec0d7191',
  },
  {
    id: 'FIPS 197 C.3',
    make: aes,
    key: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    plain: '00112233445566778899aabbccddeeff',
    cipher: '8ea2b7ca516745bfeafc49904b496089',
  },
  {
    id: 'NIST TDES core example, first block',
    make: tdes,
    key: '0123456789abcdef23456789abcdef01456789abcdef0123',
    plain: '5468652071756663', // "The qufc"
    cipher: 'a826fd8ce53b855f',
  },
  {
    id: 'DES worked example 133457799BBCDFF1',
    make: des,
    key: '133457799bbcdff1',
    plain: '0123456789abcdef',
    cipher: '85e813540f0ab405',
  },
  {
    id: 'NBS SP 500-20 variable plaintext 1',
    make: des,
    key: '0101010101010101',
    plain: '8000000000000000',
    cipher: '95f8a5e5dd31d900',
  },
];

describe('published values', () => {
  for (const { id, make, key, plain, cipher } of published) {
    for (const engine of make === des ? (['table'] as const) : engines) {
      test(`${id}, ${engine}`, () => {
        const keyed = make(hex(key), engine);
        expect(ecbEncrypt(keyed, hex(plain))).toEqual(hex(cipher));
        expect(ecbDecrypt(keyed, hex(cipher))).toEqual(hex(plain));
      });
    }
  }
});

describe('the table core agrees with node:crypto', () => {
  const contestants: [string, (key: Uint8Array) => BlockCipher, number][] = [
    ['aes-128-ecb', aes, 16],
    ['aes-192-ecb', aes, 24],
    ['aes-256-ecb', aes, 32],
    ['des-ede', tdes, 16],
    ['des-ede3', tdes, 24],
  ];
  for (const [algorithm, make, keyBytes] of contestants) {
    test(`${algorithm}, 4,000 keys, 12 blocks each`, () => {
      for (let i = 0; i < 4000; i++) {
        const key = randomBytes(keyBytes);
        const data = randomBytes(192);
        const expected = createCipheriv(algorithm, key, null).setAutoPadding(false).update(data);
        const cipher = make(key);
        if (!expected.equals(ecbEncrypt(cipher, data)) || !data.equals(ecbDecrypt(cipher, expected))) {
          throw new Error(`disagreement under key ${key.toString('hex')} on ${data.toString('hex')}`);
        }
        cipher.wipe();
      }
    });
  }

  test('single DES is TDES with one key three times, 4,000 keys', () => {
    for (let i = 0; i < 4000; i++) {
      const key = randomBytes(8);
      const data = randomBytes(16);
      const expected = createCipheriv('des-ede3', Buffer.concat([key, key, key]), null)
        .setAutoPadding(false)
        .update(data);
      expect(expected.equals(ecbEncrypt(des(key), data))).toBe(true);
    }
  });
});

describe('the contract of a block cipher', () => {
  const ciphers: [string, () => BlockCipher][] = [
    ['aes table', () => aes(new Uint8Array(16).fill(1))],
    ['aes openssl', () => aes(new Uint8Array(16).fill(1), 'openssl')],
    ['tdes table', () => tdes(new Uint8Array(16).fill(1))],
    ['tdes openssl', () => tdes(new Uint8Array(16).fill(1), 'openssl')],
    ['des', () => des(new Uint8Array(8).fill(1))],
  ];
  for (const [name, make] of ciphers) {
    test(`${name}: works in place and at offsets, and touches nothing else`, () => {
      const cipher = make();
      const { blockBytes } = cipher;
      const buffer = new Uint8Array(3 * blockBytes).fill(0xaa);
      cipher.encryptBlock(buffer, blockBytes, buffer, blockBytes);
      expect(buffer.subarray(0, blockBytes)).toEqual(new Uint8Array(blockBytes).fill(0xaa));
      expect(buffer.subarray(2 * blockBytes)).toEqual(new Uint8Array(blockBytes).fill(0xaa));
      expect(buffer.slice(blockBytes, 2 * blockBytes)).toEqual(
        ecbEncrypt(cipher, new Uint8Array(blockBytes).fill(0xaa)),
      );
      cipher.decryptBlock(buffer, blockBytes, buffer, blockBytes);
      expect(buffer).toEqual(new Uint8Array(3 * blockBytes).fill(0xaa));
    });

    test(`${name}: a wiped cipher refuses, also a second wipe is harmless`, () => {
      const cipher = make();
      const block = new Uint8Array(16);
      cipher.encryptBlock(block, 0, block, 0);
      cipher.decryptBlock(block, 0, block, 0);
      cipher.wipe();
      cipher.wipe();
      for (const call of [cipher.encryptBlock, cipher.decryptBlock]) {
        expect(() => call.call(cipher, block, 0, block, 0)).toThrow(
          expect.objectContaining({ code: 'BLOCK_CIPHER_WIPED' }),
        );
      }
      expect(block).toEqual(new Uint8Array(16));
    });

    test(`${name}: a wiped schedule that moved to another key leaves the first cipher refusing`, () => {
      const first = make();
      first.wipe();
      const second = make();
      const block = new Uint8Array(16);
      expect(() => first.encryptBlock(block, 0, block, 0)).toThrow(BlockCipherError);
      first.wipe();
      expect(ecbEncrypt(second, block)).toEqual(ecbEncrypt(make(), block));
    });

    test(`${name}: a block that does not fit its source or its target is refused`, () => {
      const cipher = make();
      const short = new Uint8Array(cipher.blockBytes - 1);
      const block = new Uint8Array(cipher.blockBytes);
      const refusal = expect.objectContaining({ code: 'BLOCK_CIPHER_DATA_LENGTH' });
      expect(() => cipher.encryptBlock(short, 0, block, 0)).toThrow(refusal);
      expect(() => cipher.encryptBlock(block, 0, short, 0)).toThrow(refusal);
      expect(() => cipher.decryptBlock(block, 1, block, 0)).toThrow(refusal);
      expect(() => cipher.decryptBlock(block, 0, block, 1)).toThrow(refusal);
    });
  }

  test('every wrong key length is refused', () => {
    for (let bytes = 0; bytes <= 40; bytes++) {
      const key = new Uint8Array(bytes);
      const refusal = expect.objectContaining({ code: 'BLOCK_CIPHER_KEY_LENGTH' });
      for (const engine of engines) {
        if (![16, 24, 32].includes(bytes)) expect(() => aes(key, engine)).toThrow(refusal);
        if (![16, 24].includes(bytes)) expect(() => tdes(key, engine)).toThrow(refusal);
      }
      if (bytes !== 8) expect(() => des(key)).toThrow(refusal);
    }
  });

  test('text in place of a key is refused, also of as many digits as a key has bytes', () => {
    const text = (length: number) => '0'.repeat(length) as unknown as Uint8Array;
    const refusal = expect.objectContaining({ code: 'BLOCK_CIPHER_KEY_LENGTH' });
    for (const engine of engines) {
      expect(() => aes(text(32), engine)).toThrow(refusal);
      expect(() => tdes(text(16), engine)).toThrow(refusal);
    }
    expect(() => des(text(8))).toThrow(refusal);
  });

  test('the engine is the one that was chosen; the table core is the default', () => {
    expect(aes(new Uint8Array(16), 'openssl')).toBeInstanceOf(OpensslCipher);
    expect(tdes(new Uint8Array(16), 'openssl')).toBeInstanceOf(OpensslCipher);
    for (const cipher of [aes(new Uint8Array(16)), tdes(new Uint8Array(16), 'table')]) {
      expect(cipher).not.toBeInstanceOf(OpensslCipher);
    }
  });

  test('the caller may wipe its key at once', () => {
    for (const engine of engines) {
      const key = new Uint8Array(16).fill(7);
      const cipher = aes(key, engine);
      key.fill(0);
      expect(ecbEncrypt(cipher, new Uint8Array(16))).toEqual(
        ecbEncrypt(aes(new Uint8Array(16).fill(7)), new Uint8Array(16)),
      );
    }
  });
});
