import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { ThalesHeader } from '@openkdh/tr31/thales';
import { InProcessHsm } from '../../../../test/support/soft-hsm-in-process.ts';
import { loadTestLmk } from '../lmk/test-lmks.ts';

/** ZG, ZH and ZM. */

const lmk = loadTestLmk('AES');
const hsm = new InProcessHsm();

function under(key: Uint8Array, changes: Partial<ThalesHeader> = {}): string {
  const header: ThalesHeader = {
    ...{ versionId: '1', lmkId: '01', keyUsage: '63', algorithm: 'H', modeOfUse: 'C' },
    ...{ keyVersion: '00', exportability: 'N', optionalBlocks: [] },
    ...changes,
  };
  return `S${lmk.handle.wrap(header, key)}`;
}

const field = (data: Uint8Array) =>
  data.length.toString(16).toUpperCase().padStart(4, '0') + Buffer.from(data).toString('latin1');

/** RFC 4231, 4.2 and 4.3: key, data, and the MAC by key usage. */
const vectors = [
  {
    name: 'test case 1',
    key: Buffer.alloc(20, 0x0b),
    data: Buffer.from('Hi There'),
    macs: {
      62: '896FB1128ABBDF196832107CD49DF33F47B4B1169912BA4F53684B22',
      63: 'B0344C61D8DB38535CA8AFCEAF0BF12B881DC200C9833DA726E9376C2E32CFF7',
      64: 'AFD03944D84895626B0825F4AB46907F15F9DADBE4101EC682AA034C7CEBC59CFAEA9EA9076EDE7F4AF152E8B2FA9CB6',
      65: '87AA7CDEA5EF619D4FF0B4241A1D6CB02379F4E2CE4EC2787AD0B30545E17CDEDAA833B7D6B8A702038B274EAEA3F4E4BE9D914EEB61F1702E696C203A126854',
    },
  },
  {
    name: 'test case 2',
    key: Buffer.from('Jefe'),
    data: Buffer.from('what do ya want for nothing?'),
    macs: {
      62: 'A30E01098BC6DBBF45690F3A7E9E6D0F8BBEA2A39E6148008FD05E44',
      63: '5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843',
    },
  },
];

describe.each(vectors)('RFC 4231, $name', ({ key, data, macs }) => {
  test.each(Object.entries(macs))('usage %s', async (keyUsage, mac) => {
    const block = under(key, { keyUsage });
    expect(await hsm.call(`ZHFFF${block}${field(data)}`)).toBe(`ZI00${mac}`);
    expect(await hsm.call(`ZMFFF${block}${field(data)}${mac}%01`)).toBe('ZN00');
    for (const at of [0, mac.length - 1]) {
      const wrong = mac.slice(0, at) + (mac[at] === '0' ? '1' : '0') + mac.slice(at + 1);
      expect(await hsm.call(`ZMFFF${block}${field(data)}${wrong}`)).toBe('ZN01');
    }
  });
});

test.each([
  ['61', 20],
  ['62', 28],
  ['63', 32],
  ['64', 48],
  ['65', 64],
])('usage %s: a new key of %d bytes, which no host sees', async (keyUsage, keyBytes) => {
  const made = await hsm.call(`ZG${keyUsage}C`);
  expect(made.slice(0, 4)).toBe('ZH00');
  const { header, key } = lmk.handle.unwrap(made.slice(5));
  expect(header).toMatchObject({ keyUsage, algorithm: 'H', modeOfUse: 'C', exportability: 'N' });
  expect(key).toHaveLength(keyBytes);
  expect(made.slice(4)).not.toBe((await hsm.call(`ZG${keyUsage}C`)).slice(4));
  const hash = { 61: 'sha1', 62: 'sha224', 63: 'sha256', 64: 'sha384', 65: 'sha512' }[keyUsage]!;
  const expected = createHmac(hash, key).update('').digest('hex').toUpperCase();
  expect(await hsm.call(`ZHFFF${made.slice(4)}0000`)).toBe(`ZI00${expected}`);
});

describe('refused', () => {
  const key = Buffer.alloc(32, 7);
  const aes = { keyUsage: 'M6', algorithm: 'A' };
  test.each([
    ['A7', 'a usage of another kind', 'ZGM6C'],
    ['A8', 'a mode that HMAC keys have not', 'ZG63X'],
    ['13', 'an LMK that is not loaded', 'ZG63C%05'],
    ['A6', 'an AES key', `ZHFFF${under(key, aes)}0000`],
    ['A7', 'an AES key of an HMAC usage', `ZHFFF${under(key, { algorithm: 'A' })}0000`],
    ['A8', 'a key that only verifies', `ZHFFF${under(key, { modeOfUse: 'V' })}0000`],
    ['A8', 'a key that only generates', `ZMFFF${under(key, { modeOfUse: 'G' })}0000${'0'.repeat(64)}`],
    ['A9', 'a component', `ZHFFF${under(key, { keyVersion: 'c1' })}0000`],
    ['A3', 'a key of another LMK', `ZHFFF${under(key, { lmkId: '00' })}0000`],
    ['A4', 'a changed usage', `ZHFFF${under(key).replace('63H', '64H')}0000`],
    ['15', 'an HMAC cut short', `ZMFFF${under(key)}0000${'0'.repeat(62)}`],
    ['15', 'data cut short', `ZHFFF${under(key)}0004abc`],
    ['28', 'a key type of variant LMKs', `ZH001${under(key)}0000`],
    ['A7', 'a check value', `BUFFF${under(key)}`],
    ['A7', 'its use for CMAC', `M601161FFF${under(key)}0002AB`],
  ])('%s: %s', async (code, _, request) => {
    expect((await new InProcessHsm().call(request)).slice(2, 4)).toBe(code);
  });

  test('A7: it does not leave', async () => {
    const zmk = (await hsm.call('A00FFFS#K0A3N00E00')).slice(4, -6);
    for (const scheme of ['S', 'R']) {
      expect((await hsm.call(`A8FFF${zmk}${under(key)}${scheme}`)).slice(2, 4)).toBe('A7');
    }
  });

  test('BB: a 3DES LMK is weaker', async () => {
    const weaker = new InProcessHsm({ lmk: loadTestLmk('TDES') });
    expect(await weaker.call('ZG63C')).toBe('ZHBB');
  });
});
