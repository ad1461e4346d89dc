import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { aes, cbcEncrypt, cmac, ecbEncrypt, retailMac, tdes } from '@openkdh/block-ciphers';
import {
  decryptPinBlock,
  deriveAesTransactionKeyFromBdk,
  deriveAesWorkingKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  encryptPinBlock,
} from '@openkdh/dukpt';
import type { ThalesHeader } from '@openkdh/tr31/thales';
import {
  fixedRandom,
  InProcessHsm,
  messageOf,
  payshield,
} from '../../../../test/support/soft-hsm-in-process.ts';
import { loadTestLmk } from '../lmk/test-lmks.ts';

const { m0_m2_m4, m6_m8, gw, gm, bw } = payshield.commands;
const tdesHsm = (random?: ReturnType<typeof fixedRandom>) =>
  new InProcessHsm({ lmk: loadTestLmk('TDES'), ...(random && { random }) });
const lmk = loadTestLmk('AES');
const bytes = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').toUpperCase();

const aesKey = Buffer.from('00112233445566778899AABBCCDDEEFF', 'hex');
const tdesKey = Buffer.from('0123456789ABCDEFFEDCBA9876543210', 'hex');
const tdes3Key = Buffer.from('0123456789ABCDEFFEDCBA987654321080808080FEFEFEFE', 'hex');
function under(header: Partial<ThalesHeader>, key: Uint8Array): string {
  const usual = { keyUsage: 'D0', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'N' };
  return `S${lmk.handle.wrap({ versionId: '1', lmkId: '01', optionalBlocks: [], ...usual, ...header }, key)}`;
}
const call = (command: string | Uint8Array) => new InProcessHsm().call(command);
const codeOf = async (command: string | Uint8Array) => (await call(command)).slice(2, 4);
const field = (data: string) => data.length.toString(16).toUpperCase().padStart(4, '0') + data;

describe('ut-codec-payshield docs/examples.js', () => {
  /** Three of its frames count the bytes of hex data; we count characters, as all the others do. */
  const inCharacters = (request: string) => request.slice(4).replace(/0008(?=[0-9A-F]{16}(%|$))/, '0010');

  test('M0, M2, M4', async () => {
    const m0 = inCharacters(m0_m2_m4.m0_request_ascii);
    expect(await tdesHsm().call(m0)).toBe(`M1000010${m0_m2_m4.m0_result_hex}`);
    expect(await tdesHsm().call(inCharacters(m0_m2_m4.m2_request_ascii))).toBe('M3000010ABCDEF1234567890');
    expect(await tdesHsm().call(inCharacters(m0_m2_m4.m4_request_ascii))).toBe(
      `M5000010${m0_m2_m4.m4_result_hex}`,
    );
    expect(await tdesHsm().call(m0_m2_m4.m0_request_ascii.slice(4))).toBe('M115');
  });

  test('M8, and the same by M6', async () => {
    const request = m6_m8.m8_request_ascii.slice(4);
    expect(await tdesHsm().call(request)).toBe('M900');
    expect(await tdesHsm().call(request.replace(m6_m8.mac_hex, '00000000'))).toBe('M901');
    expect(await tdesHsm().call(request.replace('M8', 'M6').replace(m6_m8.mac_hex, ''))).toBe(
      `M700${m6_m8.mac_hex}`,
    );
  });

  test('GW', async () => {
    const [generate, check] = [gw.generate_request_frame_hex, gw.verify_request_frame_hex].map((frame) =>
      messageOf(frame).subarray(4),
    );
    expect(await tdesHsm().call(generate!)).toBe(`GX00${gw.mac_hex}`);
    expect(await tdesHsm().call(check!)).toBe('GX00');
    const wrong = Buffer.from(check!.toString('latin1').replace(gw.mac_hex, '0'.repeat(16)), 'latin1');
    expect(await tdesHsm().call(wrong)).toBe('GX01');
  });

  test('GM', async () => {
    const [sha256, sha1] = gm;
    expect(hex(bytes(await call(messageOf(sha256!.request_frame_hex).subarray(4))))).toBe(
      `474E3030${sha256!.sha256}`,
    );
    expect(hex(bytes(await call(messageOf(sha1!.request_frame_hex).subarray(4))))).toBe(
      `474E3030${sha1!.sha1}`,
    );
  });

  test('BW: old and new LMK are the same one, the pad is another', async () => {
    const hsm = tdesHsm(fixedRandom(bw.pad));
    expect(await hsm.call(bw.request_ascii.slice(4))).toBe('BX33');
    hsm.machine.lmks.loadOld(loadTestLmk('TDES'));
    expect(await hsm.call(bw.request_ascii.slice(4))).toBe(bw.answer_ascii.slice(4));
    expect(await hsm.call('BS')).toBe('BT00');
    expect(await hsm.call(bw.request_ascii.slice(4))).toBe('BX33');
  });
});

describe('M0, M2, M4', () => {
  const data = 'A0A1A2A3A4A5A6A7A8A9AAABACADAEAF00112233445566778899AABBCCDDEEFF';
  const iv = '0F0E0D0C0B0A09080706050403020100';
  const key = under({}, aesKey);

  test('CBC under AES, and the IV to go on with', async () => {
    const expected = hex(cbcEncrypt(aes(aesKey), Buffer.from(iv, 'hex'), Buffer.from(data, 'hex')));
    const next = expected.slice(-32);
    expect(await call(`M00111FFF${key}${iv}${field(data)}`)).toBe(`M100${next}${field(expected)}`);
    expect(await call(`M20111FFF${key}${iv}${field(expected)}`)).toBe(`M300${next}${field(data)}`);
  });

  test('binary in and out', async () => {
    const clear = Buffer.from(data, 'hex');
    const answer = bytes(await call(bytes(`M00000FFF${key}0020`, clear)));
    expect(answer.subarray(8).equals(ecbEncrypt(aes(aesKey), clear))).toBe(true);
  });

  test('translation from TDES to AES', async () => {
    const source = under({ algorithm: 'T' }, tdes3Key);
    const encrypted = hex(ecbEncrypt(tdes(tdes3Key), Buffer.from(data, 'hex')));
    const expected = hex(cbcEncrypt(aes(aesKey), Buffer.from(iv, 'hex'), Buffer.from(data, 'hex')));
    const answer = await call(`M4000111FFF${source}FFF${key}${iv}${field(encrypted)}`);
    expect(answer).toBe(`M500${expected.slice(-32)}${field(expected)}`);
  });

  test('under the transaction keys of a terminal', async () => {
    const tdesBdk = under({ keyUsage: 'B0', modeOfUse: 'X', algorithm: 'T' }, tdesKey);
    const ksn = 'FFFF9876543210E00008';
    const transaction = deriveTdesTransactionKeyFromBdk(tdesKey, Buffer.from(ksn, 'hex'));
    const request = deriveTdesWorkingKey(transaction, 'DATA_REQUEST');
    const encrypted = hex(ecbEncrypt(tdes(request), Buffer.from(data, 'hex')));
    expect(await call(`M20011FFF${tdesBdk}A05${ksn}${field(encrypted)}`)).toBe(`M300${field(data)}`);

    const aesBdk = under({ keyUsage: 'B0', modeOfUse: 'X' }, aesKey);
    const aesKsn = '123456789012345600000001';
    const aesTransaction = deriveAesTransactionKeyFromBdk(aesKey, Buffer.from(aesKsn, 'hex'));
    const response = deriveAesWorkingKey(aesTransaction, Buffer.from(aesKsn, 'hex'), 'DATA_DEC', 'AES128');
    const expected = hex(ecbEncrypt(aes(response), Buffer.from(data, 'hex')));
    expect(await call(`M00011FFF${aesBdk}000${aesKsn}${field(data)}`)).toBe(`M100${field(expected)}`);
    expect(await codeOf(`M00011FFF${aesBdk}000${aesKsn.slice(0, -8)}00000000${field(data)}`)).toBe('15');
  });

  test.each<[string, string, string]>([
    ['02', 'another mode', `M00511FFF${key}${field(data)}`],
    ['03', 'another input format', `M00021FFF${key}${field(data)}`],
    ['04', 'another output format', `M00012FFF${key}${field(data)}`],
    ['28', 'a key type of variant LMKs', `M0001100B${key}${field(data)}`],
    ['06', 'half a block', `M00011FFF${key}${field(data.slice(2))}`],
    ['06', 'no data', `M00011FFF${key}0000`],
    ['15', 'odd hex', `M00011FFF${key}${field(data.slice(1))}`],
    ['15', 'a short IV', `M00111FFF${key}${iv.slice(1)}${field(data)}`],
    ['A6', 'a KEK', `M00011FFF${under({ keyUsage: 'K0' }, aesKey)}${field(data)}`],
    ['A8', 'a key that only decrypts', `M00011FFF${under({ modeOfUse: 'D' }, aesKey)}${field(data)}`],
    ['A8', 'a key that only encrypts', `M20011FFF${under({ modeOfUse: 'E' }, aesKey)}${field(data)}`],
    ['A6', 'an initial key', `M00011FFF${under({ keyUsage: 'B1', modeOfUse: 'X' }, aesKey)}${field(data)}`],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

describe('M6, M8', () => {
  const m1 = under({ keyUsage: 'M1', algorithm: 'T', modeOfUse: 'C' }, tdesKey);
  const m3 = under({ keyUsage: 'M3', algorithm: 'T', modeOfUse: 'C' }, tdesKey);
  const m3Triple = under({ keyUsage: 'M3', algorithm: 'T', modeOfUse: 'C' }, tdes3Key);
  const m5 = under({ keyUsage: 'M5', modeOfUse: 'C' }, aesKey);
  const m6 = under({ keyUsage: 'M6', modeOfUse: 'C' }, aesKey);
  const onlyVerifies = under({ keyUsage: 'M1', algorithm: 'T', modeOfUse: 'V' }, tdesKey);
  const onlyGenerates = under({ keyUsage: 'M1', algorithm: 'T', modeOfUse: 'G' }, tdesKey);
  const message = Buffer.from('00112233445566778899AABBCCDDEEFF0102030405060708', 'hex');
  const text = hex(message);

  /** The fields of M6 and M8 in their order: mode, input format, MAC size, algorithm, padding. */
  const request = (digits: string, key: string, data = field(text)) => `M6${digits}FFF${key}${data}`;

  test('the four algorithms', async () => {
    const mac = async (algorithm: string, key: string) =>
      (await call(request(`011${algorithm}1`, key))).slice(4);
    expect(await mac('1', m1)).toBe(hex(cbcEncrypt(tdes(tdesKey), Buffer.alloc(8), message).subarray(-8)));
    expect(await mac('3', m3)).toBe(hex(retailMac(tdesKey, message)));
    const padded = Buffer.concat([message, Buffer.alloc(8)]);
    expect(await mac('5', m5)).toBe(hex(cbcEncrypt(aes(aesKey), Buffer.alloc(16), padded).subarray(-16, -8)));
    expect(await mac('6', m6)).toBe(hex(cmac(aes(aesKey), message).subarray(0, 8)));
    expect(await mac('3', m3Triple)).not.toBe(await mac('3', m3));
  });

  test.each([
    ['1', m1, 8],
    ['3', m3, 8],
    ['5', m5, 16],
  ])('algorithm %s in parts gives the MAC of the whole', async (algorithm, key, block) => {
    const whole = await call(`M6011${algorithm}1FFF${key}${field(text)}`);
    const first = (await call(`M6111${algorithm}1FFF${key}${field(text.slice(0, 2 * block))}`)).slice(4);
    expect(first).toHaveLength(2 * block);
    const last = await call(`M6311${algorithm}1FFF${key}${first}${field(text.slice(2 * block))}`);
    expect(last).toBe(whole);
    expect(
      await call(`M8311${algorithm}1FFF${key}${first}${field(text.slice(2 * block))}${whole.slice(4)}`),
    ).toBe('M900');
    expect(
      (await call(`M8211${algorithm}1FFF${key}${first}${field(text.slice(0, 2 * block))}`)).slice(0, 4),
    ).toBe('M900');
  });

  test.each<[string, string, string]>([
    ['02', 'a mode that is none', request('41111', m1)],
    ['02', 'CMAC in parts', request('11161', m6)],
    ['03', 'text', request('02111', m1)],
    ['04', 'a MAC size that is none', request('01211', m1)],
    ['05', 'an algorithm that is none', request('01121', m1)],
    ['09', 'another padding', request('01112', m1)],
    ['06', 'no data', request('01111', m1, '0000')],
    ['06', 'half a block where more follow', request('11111', m1, field('001122'))],
    ['A6', 'a key of another algorithm', request('01131', m1)],
    ['A6', 'a data key', request('01111', under({ algorithm: 'T' }, tdesKey))],
    ['A8', 'a key that only verifies', request('01111', onlyVerifies)],
    [
      'A8',
      'verifying with a key that only generates',
      request('01111', onlyGenerates, `${field(text)}${'0'.repeat(16)}`).replace('M6', 'M8'),
    ],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

describe('GW', () => {
  const bdk = under({ keyUsage: 'B0', modeOfUse: 'X', algorithm: 'T' }, tdesKey);
  const ksn = 'FFFF9876543210E00008';

  test('8 digits are the first of 16', async () => {
    const mac = (await call(`GW41${bdk}A05${ksn}0005hello`)).slice(4);
    expect((await call(`GW51${bdk}A05${ksn}0005hello`)).slice(4)).toBe(mac.slice(0, 8));
    expect(await call(`GW21${bdk}A05${ksn}${mac.slice(0, 8)}0005hello`)).toBe('GX00');
    expect(await call(`GW21${bdk}A05${ksn}${mac.slice(0, 8)}0005hullo`)).toBe('GX01');
  });

  test.each<[string, string, string]>([
    ['02', 'a MAC mode whose meaning is not known', `GWA1${bdk}A05${ksn}0005hello`],
    ['03', 'another method', `GW42${bdk}A05${ksn}0005hello`],
    ['80', 'no data', `GW41${bdk}A05${ksn}0000`],
    ['15', 'a counter that no terminal uses', `GW41${bdk}A05FFFF98765432FFFFFFFF0005hello`],
    [
      'A6',
      'a MAC key',
      `GW41${under({ keyUsage: 'M1', algorithm: 'T', modeOfUse: 'C' }, tdesKey)}A05${ksn}0005hello`,
    ],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

test('GM: hashes, and those that are not there', async () => {
  const digest = bytes((await call('GM0600003abc')).slice(4));
  expect(digest).toEqual(createHash('sha256').update('abc').digest());
  expect(await codeOf('GM0200003abc')).toBe('05');
  expect(await codeOf('GM0600004abc')).toBe('15');
});

describe('FY, EW, EO, EY with elliptic curves', () => {
  const hsm = new InProcessHsm();
  const code = async (...parts: (string | Uint8Array)[]) => (await hsm.call(bytes(...parts))).slice(2, 4);

  test.each([
    ['00', 'prime256v1'],
    ['01', 'secp384r1'],
    ['02', 'secp521r1'],
  ])('curve %s: a key pair of %s signs and verifies', async (curve, namedCurve) => {
    const answer = bytes(await hsm.call(`FY01${curve}03#S00N00`));
    const length = Number(answer.toString('latin1', 4, 8));
    const spki = answer.subarray(8, 8 + length);
    const privateKey = answer.subarray(8 + length);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve });
    const signed = bytes(await hsm.call(bytes('EW0602010005hello;99FFFF', privateKey)));
    const signature = signed.subarray(8);
    expect(signature).toHaveLength(Number(signed.toString('latin1', 4, 8)));
    expect(verify('sha256', Buffer.from('hello'), publicKey, signature)).toBe(true);

    const imported = bytes(await hsm.call(bytes('EO03', spki, '~#V00N00'))).subarray(4);
    const digits = String(signature.length).padStart(4, '0');
    expect(await code('EY060201', digits, signature, ';0005hello;', imported)).toBe('00');
    expect(await code('EY060201', digits, signature, ';0005hullo;', imported)).toBe('02');
    expect(await code('EY060101', digits, signature, ';0005hello;', imported)).toBe('A7');
    expect(await code('EW0601010005hello;99FFFF', privateKey)).toBe('A7');
  });

  test('refusals', async () => {
    expect(await code('FY020003#S00N00')).toBe('05');
    expect(await code('FY010303#S00N00')).toBe('D2');
    expect(await code('FY010001#S00N00')).toBe('D3');
    expect(await code('FY010003#V00N00')).toBe('A8');
    expect(await code('FY010003#S00E00')).toBe('AA');
    const agreement = bytes(await hsm.call('FY010003#X00N00'));
    const privateKey = agreement.subarray(8 + Number(agreement.toString('latin1', 4, 8)));
    expect(await code('EW0602010005hello;99FFFF', privateKey)).toBe('A8');
    const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
    expect(await code('EO03', ed25519, '~#V00N00')).toBe('76');
    expect(await code('EO03', Buffer.from('3000', 'hex'), '~#V00N00')).toBe('76');
  });
});

describe('QE', () => {
  const hsm = new InProcessHsm();
  const subject = '1KDH;Keys;OpenKDH;Zurich;;CH;';

  async function rsa() {
    const answer = bytes(await hsm.call('EI0204802#0000'));
    const publicKey = answer.subarray(4, answer.indexOf('FFFFS', 4, 'latin1'));
    return { publicKey, privateKey: answer.subarray(4 + publicKey.length + 4) };
  }
  async function ec() {
    const answer = bytes(await hsm.call('FY010003#S00N00'));
    const length = Number(answer.toString('latin1', 4, 8));
    return { publicKey: answer.subarray(8, 8 + length), privateKey: answer.subarray(8 + length) };
  }

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  (hasOpenssl ? test : test.skip)('openssl verifies the requests (needs openssl)', async () => {
    const [rsaKeys, ecKeys] = [await rsa(), await ec()];
    const requests = [
      bytes('QE000102', rsaKeys.publicKey, rsaKeys.privateKey, '0106', subject, '%01'),
      bytes('QE000203', ecKeys.publicKey, ecKeys.privateKey, '06', subject),
    ];
    for (const request of requests) {
      const answer = await hsm.call(request);
      const pem = answer.slice(8);
      expect(pem).toHaveLength(Number(answer.slice(4, 8)));
      const options = ['req', '-verify', '-noout', '-subject', '-nameopt', 'RFC2253'];
      const text = execFileSync('openssl', options, { input: pem, encoding: 'utf8', stdio: 'pipe' });
      expect(text.trim()).toMatch(/subject=CN ?= ?KDH,OU ?= ?Keys,O ?= ?OpenKDH,L ?= ?Zurich,C ?= ?CH/);
    }
  });

  test('refusals', async () => {
    const [{ publicKey, privateKey }, other] = [await rsa(), await rsa()];
    const code = async (...parts: (string | Uint8Array)[]) =>
      (await hsm.call(bytes('QE', ...parts))).slice(2, 4);
    expect(await code('000102', publicKey, privateKey, '0106', subject)).toBe('00');
    expect(await code('000102', publicKey, other.privateKey, '0106', subject)).toBe('49');
    expect(await code('010102', publicKey, privateKey, '0106', subject)).toBe('15');
    expect(await code('000302', publicKey, privateKey, '0106', subject)).toBe('06');
    expect(await code('000101', publicKey, privateKey, '0106', subject)).toBe('D3');
    expect(await code('000102', publicKey, privateKey, '0406', subject)).toBe('07');
    expect(await code('000102', publicKey, privateKey, '0101', subject)).toBe('05');
    expect(await code('000102', publicKey, privateKey, '0106', '2a;b;c;d;e;f;')).toBe('15');
    expect(await code('000102', publicKey, privateKey, '0106', '1a;b;c;d;e')).toBe('15');
    expect(await code('000102', Buffer.from('3000', 'hex'), privateKey, '0106', subject)).toBe('76');
  });
});

describe('ZP, an extension', () => {
  const account = '4012345678909'; // ANSI X9.24-1:2009, A.4
  const pin = Uint8Array.from('1234', Number);
  const bdk = under({ keyUsage: 'B0', modeOfUse: 'X', algorithm: 'T' }, tdesKey);
  const aesBdk = under({ keyUsage: 'B0', modeOfUse: 'X' }, aesKey);
  const [zpk, aesZpk] = [
    under({ keyUsage: '72', algorithm: 'T' }, tdes3Key),
    under({ keyUsage: 'P0', modeOfUse: 'E' }, aesKey),
  ];
  const ksn = 'FFFF9876543210E00001';
  const pinBlock = '1B9C1845EB993A7A';
  const request = (
    changes: Partial<Record<'bdk' | 'ksn' | 'from' | 'block' | 'key' | 'to' | 'account', string>> = {},
  ) => {
    const parts = {
      bdk,
      ksn: `A05${ksn}`,
      from: '0',
      block: pinBlock,
      key: zpk,
      to: '0',
      account: `13${account}`,
      ...changes,
    };
    return `ZP${Object.values(parts).join('')}`;
  };

  test('ANSI X9.24-1:2009, A.4, transaction 1: the PIN comes out under the zone key, in formats 0 and 3', async () => {
    for (const to of [0, 3] as const) {
      const answer = await call(request({ to: String(to) }));
      expect(answer.slice(0, 4)).toBe('ZQ00');
      expect(decryptPinBlock(to, tdes3Key, Buffer.from(answer.slice(4), 'hex'), account)).toEqual(pin);
    }
  });

  test('from AES DUKPT in format 4, and to format 4', async () => {
    const aesKsn = '123456789012345600000001';
    const transaction = deriveAesTransactionKeyFromBdk(aesKey, Buffer.from(aesKsn, 'hex'));
    const pinKey = deriveAesWorkingKey(transaction, Buffer.from(aesKsn, 'hex'), 'PIN', 'AES128');
    const block = hex(encryptPinBlock(4, pinKey, pin, account));
    const source = { bdk: aesBdk, ksn: `000${aesKsn}`, from: '4', block };
    const toZone = await call(request(source));
    expect(decryptPinBlock(0, tdes3Key, Buffer.from(toZone.slice(4), 'hex'), account)).toEqual(pin);
    const toAes = await call(request({ ...source, key: aesZpk, to: '4' }));
    expect(decryptPinBlock(4, aesKey, Buffer.from(toAes.slice(4), 'hex'), account)).toEqual(pin);
  });

  test.each<[string, string, Parameters<typeof request>[0]]>([
    ['20', 'another key', { ksn: 'A05FFFF9876543210E00002' }],
    ['20', 'another account', { account: '134012345678917' }],
    ['22', 'an account number that is none', { account: '0712345x7' }],
    ['23', 'a format that is none', { from: '1' }],
    ['23', 'format 4 under TDES', { to: '4' }],
    ['23', 'format 0 under AES', { key: aesZpk }],
    ['A6', 'a data key', { key: under({ algorithm: 'T' }, tdes3Key) }],
    ['A6', 'a PIN key as BDK', { bdk: zpk }],
    [
      'A8',
      'a PIN key that only decrypts',
      { key: under({ keyUsage: '72', algorithm: 'T', modeOfUse: 'D' }, tdes3Key) },
    ],
    ['15', 'a KSN that no terminal uses', { ksn: 'A05FFFF98765432FFFFFFFF' }],
  ])('%s: %s', async (code, _, changes) => {
    expect(await codeOf(request(changes))).toBe(code);
  });
});

test('ZV says what this is not, and what it can do', async () => {
  const answer = await call('ZV');
  expect(answer.slice(0, 4)).toBe('ZW00');
  expect(answer).toContain('not a secure cryptographic device\n');
  expect(answer).toContain('\nA0 generate or derive a key\n');
});
