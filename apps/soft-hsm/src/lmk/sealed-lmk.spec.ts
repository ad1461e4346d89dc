import { describe, expect, test } from '@jest/globals';
import { codeOf } from '../../../../test/support/refusal-code.ts';
import {
  formatSealedLmk,
  parseSealedLmk,
  type SealedBy,
  type SealedLmk,
  type SealedLmkLabel,
  sealingKeyFromPassphrase,
  sealLmk,
  unsealLmk,
} from './sealed-lmk.ts';

const lmk = Buffer.from('9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A', 'hex');
const sealingKey = Buffer.alloc(32, 0x11);
const seed = Buffer.alloc(32, 0x44);
const salt = Buffer.alloc(16, 0x22);
const by: SealedBy = { passphrase: { salt: '22'.repeat(16) } };
const label: SealedLmkLabel = {
  lmkId: '00',
  status: 'live',
  checkValue: '9D04A0',
  bootCounter: 7,
  logged: true,
};
const file = sealLmk({ lmk, seed }, label, by, sealingKey, Buffer.alloc(12, 0x33));

describe('sealed LMK', () => {
  test('opens again, from its file', () => {
    const read = parseSealedLmk(formatSealedLmk(file).toString());
    expect(read).toEqual(file);
    const secrets = unsealLmk(read, sealingKey);
    expect([...secrets.lmk]).toEqual([...lmk]);
    expect([...secrets.seed]).toEqual([...seed]);
    expect(formatSealedLmk(file).includes(lmk.toString('hex').toUpperCase())).toBe(false);
  });

  test('does not open with another key', () => {
    expect(codeOf(() => unsealLmk(file, Buffer.alloc(32, 0x12)))).toBe('SOFT_HSM_SEAL');
  });

  test.each<[string, Partial<SealedLmk>]>([
    ['LMK id', { lmkId: '01' }],
    ['status', { status: 'test' }],
    ['check value', { checkValue: '9D04A1' }],
    ['boot counter', { bootCounter: 6 }],
    ['mark that its start is logged', { logged: false }],
    ['nonce', { nonce: '34'.repeat(12) }],
  ])('does not open with another %s', (_, change) => {
    expect(codeOf(() => unsealLmk({ ...file, ...change }, sealingKey))).toBe('SOFT_HSM_SEAL');
  });

  test('does not open with one bit of the ciphertext or the tag flipped', () => {
    const sealed = Buffer.from(file.sealed, 'hex');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const text = changed.toString('hex').toUpperCase();
      expect(codeOf(() => unsealLmk({ ...file, sealed: text }, sealingKey))).toBe('SOFT_HSM_SEAL');
    }
  });

  test.each<[string, object]>([
    ['another version', { version: 1 }],
    ['an LMK id beyond 19', { lmkId: '20' }],
    ['another status', { status: 'LIVE' }],
    ['a short check value', { checkValue: '9D04' }],
    ['a mark that is none', { logged: 1 }],
    ['a boot counter that is no number', { bootCounter: '7' }],
    ['a short salt', { by: { passphrase: { salt: '22' } } }],
    ['a short set id', { by: { shares: { setId: '22' } } }],
    ['nothing that it is sealed by', { by: {} }],
    ['a nonce that is not hex', { nonce: 'x'.repeat(24) }],
    ['a short ciphertext', { sealed: file.sealed.slice(2) }],
  ])('is no file of this kind with %s', (_, change) => {
    expect(codeOf(() => parseSealedLmk(JSON.stringify({ ...file, ...change })))).toBe('SOFT_HSM_SEAL');
  });

  test.each(['', '{', 'null', '[]', '"x"'])('is no file of this kind: %s', (contents) => {
    expect(codeOf(() => parseSealedLmk(contents))).toBe('SOFT_HSM_SEAL');
  });

  test('scrypt with N = 2^17, r = 8, p = 1', async () => {
    const passphrase = Buffer.from('correct horse battery staple');
    const key = await sealingKeyFromPassphrase(passphrase, salt);
    // Agreed with Python's hashlib.scrypt.
    expect(key.toString('hex')).toBe('56f1801ab6ca61dfb61d631543469622ec7c2b3a753c37fbcc6a3e7f88231cd4');
  });
});
