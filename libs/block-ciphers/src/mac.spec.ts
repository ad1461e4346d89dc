import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aes, cbcEncrypt, cbcMac, cmac, cmacOf, des, retailMac, tdes } from './index.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const ascii = (text: string) => new TextEncoder().encode(text);

const message = hex(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
    '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
);

// NIST SP 800-38B, appendix D (the AES-128 ones are also RFC 4493, section 4): key, message bytes, MAC.
const aes128 = '2b7e151628aed2a6abf7158809cf4f3c';
const aes192 = '8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b';
const aes256 = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4';
const tdea3 = '8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5';
const tdea2 = '4cf15134a2850dd58a3d10ba80570d38';
const published: [string, string, number, string][] = [
  ['AES-128', aes128, 0, 'bb1d6929e95937287fa37d129b756746'],
  ['AES-128', aes128, 16, '070a16b46b4d4144f79bdd9dd04a287c'],
  ['AES-128', aes128, 40, 'dfa66747de9ae63030ca32611497c827'],
  ['AES-128', aes128, 64, '51f0bebf7e3b9d92fc49741779363cfe'],
  ['AES-192', aes192, 0, 'd17ddf46adaacde531cac483de7a9367'],
  ['AES-192', aes192, 16, '9e99a7bf31e710900662f65e617c5184'],
  ['AES-256', aes256, 0, '028962f61b7bf89efc6b551f4667d983'],
  ['AES-256', aes256, 40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
  ['3-key TDEA', tdea3, 0, 'b7a688e122ffaf95'],
  ['3-key TDEA', tdea3, 8, '8e8f293136283797'],
  ['3-key TDEA', tdea3, 20, '743ddbe0ce2dc2ed'],
  ['3-key TDEA', tdea3, 32, '33e6b1092400eae5'],
  ['2-key TDEA', tdea2, 0, 'bd2ebf9a3ba00361'],
  ['2-key TDEA', tdea2, 8, '4ff2ab813c53ce83'],
  ['2-key TDEA', tdea2, 20, '62dd1b471902bd4e'],
  ['2-key TDEA', tdea2, 32, '31b1e431dabc4eb8'],
];

describe('NIST SP 800-38B, appendix D', () => {
  for (const [name, key, bytes, mac] of published) {
    test(`${name}, ${bytes} bytes`, () => {
      const cipher = name.startsWith('AES') ? aes(hex(key)) : tdes(hex(key));
      expect(cmac(cipher, message.subarray(0, bytes))).toEqual(hex(mac));
      expect(cmacOf(cipher).mac(message.subarray(0, bytes))).toEqual(hex(mac));
    });
  }
});

describe('CMAC', () => {
  test('over parts is CMAC over their concatenation', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), (parts) => {
        expect(cmac(aes(hex(aes128)), ...parts)).toEqual(cmac(aes(hex(aes128)), Buffer.concat(parts)));
        expect(cmac(tdes(hex(tdea2)), ...parts)).toEqual(cmac(tdes(hex(tdea2)), Buffer.concat(parts)));
      }),
    );
  });

  test('of a kept key gives the same MAC each time, and refuses once wiped', () => {
    const kept = cmacOf(aes(hex(aes128)));
    expect(kept.mac(message)).toEqual(kept.mac(message));
    kept.wipe();
    expect(() => kept.mac(message)).toThrow(expect.objectContaining({ code: 'BLOCK_CIPHER_WIPED' }));
  });

  test('once leaves the cipher usable', () => {
    const cipher = aes(hex(aes128));
    expect(cmac(cipher, message)).toEqual(cmac(cipher, message));
  });
});

describe('ISO 9797-1', () => {
  // Annex B, data string 1, key 0123456789ABCDEF, second key FEDCBA9876543210; values from memory of the annex.
  const data = ascii('Now is the time for all ');
  const [left, right] = [hex('0123456789abcdef'), hex('fedcba9876543210')];

  test('algorithm 1, padding method 1', () => {
    expect(cbcMac(des(left), data)).toEqual(hex('70a30640cc76dd8b'));
  });

  test('algorithm 3, padding method 1', () => {
    expect(retailMac(Buffer.concat([left, right]), data)).toEqual(hex('a1c72e74ea3fa9b6'));
  });

  test('algorithm 1 is the last block of CBC with zero IV', () => {
    const encrypted = cbcEncrypt(aes(hex(aes128)), new Uint8Array(16), message);
    expect(cbcMac(aes(hex(aes128)), message)).toEqual(encrypted.slice(-16));
  });

  test('algorithm 3 with equal halves is algorithm 1, padded with zeros at every length', () => {
    for (let bytes = 0; bytes <= 24; bytes++) {
      const padded = new Uint8Array(Math.max(8, Math.ceil(bytes / 8) * 8));
      padded.set(message.subarray(0, bytes));
      expect(retailMac(Buffer.concat([left, left]), message.subarray(0, bytes))).toEqual(
        cbcMac(des(left), padded),
      );
    }
  });

  test('every wrong length is refused', () => {
    const data = expect.objectContaining({ code: 'BLOCK_CIPHER_DATA_LENGTH' });
    for (let bytes = 0; bytes < 16; bytes++) {
      if (bytes !== 8) expect(() => cbcMac(des(left), new Uint8Array(bytes))).toThrow(data);
    }
    for (let bytes = 0; bytes <= 33; bytes++) {
      if (bytes === 16) continue;
      expect(() => retailMac(new Uint8Array(bytes), message)).toThrow(
        expect.objectContaining({ code: 'BLOCK_CIPHER_KEY_LENGTH' }),
      );
    }
  });
});
