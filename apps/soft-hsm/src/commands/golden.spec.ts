import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  fixedRandom,
  InProcessHsm,
  type InProcessOptions,
  messageOf,
  payshield,
} from '../../../../test/support/soft-hsm-in-process.ts';
import { publicExponent } from '../asymmetric/rsa-private-key.ts';
import { loadTestLmk } from '../lmk/test-lmks.ts';

/** Recorded frames, byte for byte: the pads that the device took at random are handed out again. */

const aesHsm = (options: InProcessOptions = {}) => new InProcessHsm(options);
const tdesHsm = (options: InProcessOptions = {}) =>
  new InProcessHsm({ lmk: loadTestLmk('TDES'), ...options });

const { a0_mode_b, commands, framing, s_block_v0_rsa_private: rsa } = payshield;

/** What follows the message header, which request and answer of the codec's vectors do not share. */
const afterHeader = (ascii: string) => ascii.slice(4);

describe('payshield-rest-api log.csv, A0 mode B', () => {
  test.each(a0_mode_b.exchanges)('exchange $n, error code $error_code', async (exchange) => {
    const { lmk_block_pad, tr31_pad } = exchange.recovered ?? { lmk_block_pad: '', tr31_pad: '' };
    const hsm = aesHsm({ random: fixedRandom(lmk_block_pad, tr31_pad) });
    const answer = await hsm.answer(messageOf(exchange.request_frame_hex));
    expect(answer?.toString('latin1')).toBe(messageOf(exchange.answer_frame_hex).toString('latin1'));
  });
});

describe('ut-codec-payshield test/config/test.js', () => {
  test('generateKeyEncode[2]: A0 mode 0', async () => {
    const { request_ascii, answer_ascii, clear_key, pad } = commands.a0_mode_0;
    const hsm = tdesHsm({ random: fixedRandom(clear_key, pad) });
    expect(await hsm.call(afterHeader(request_ascii))).toBe(afterHeader(answer_ascii));
  });

  test('generateKeyEncode[3]: A0 mode 1, without the ZMK flag that belongs to variant LMKs', async () => {
    const { request_ascii, answer_tail_ascii, clear_key, lmk_block_pad, exported_pad } = commands.a0_mode_1;
    const hsm = tdesHsm({ random: fixedRandom(clear_key, lmk_block_pad, exported_pad) });
    const request = afterHeader(request_ascii);
    expect(await hsm.call(request)).toBe('A126'); // the flag reads as a key without key block
    expect(await hsm.call(request.replace('A01FFFS0S', 'A01FFFSS'))).toBe(answer_tail_ascii);
  });

  test('formKeyFromComponentsEncode[2]: A4', async () => {
    const { request_ascii, answer_ascii, result } = commands.a4_key_block;
    const hsm = tdesHsm({ random: fixedRandom(result.pad) });
    expect(await hsm.call(afterHeader(request_ascii))).toBe(afterHeader(answer_ascii));
  });

  test('importKeyEncode[2]: A6 of an S block, whose exportability N stays', async () => {
    const { request_ascii, answer_ascii, pad } = commands.a6_s_block;
    const hsm = tdesHsm({ random: fixedRandom(pad) });
    expect(await hsm.call(afterHeader(request_ascii))).toBe(afterHeader(answer_ascii));
  });

  test('exportKeyEncode[2]: A8 to an S block, exportability narrowed to N', async () => {
    const { request_ascii, answer_ascii, pad } = commands.a8_s_block;
    const hsm = tdesHsm({ random: fixedRandom(pad) });
    expect(await hsm.call(afterHeader(request_ascii))).toBe(afterHeader(answer_ascii));
  });

  test('BU', async () => {
    const recomputed = commands.bu.filter((entry) => entry.recomputed);
    expect(recomputed).toHaveLength(1);
    for (const { request_ascii, answer_ascii } of recomputed) {
      expect(await tdesHsm().call(afterHeader(request_ascii!))).toBe(afterHeader(answer_ascii!));
    }
  });

  test('BU of every published block', async () => {
    const hsm = tdesHsm();
    for (const { block, kcv } of payshield.s_block_v0.vectors.filter(
      ({ block }) => block.slice(14, 16) === '01',
    )) {
      expect(await hsm.call(`BUFFFS${block};FFF;001%01`)).toBe(`BV00${kcv}`);
    }
  });

  test('generateRsaSignatureEncode[1]: EW, verified with the modulus of the published key', async () => {
    const answer = Buffer.from(
      await tdesHsm().call(messageOf(rsa.ew_request_frame_hex).subarray(4)),
      'latin1',
    );
    expect(answer.toString('latin1', 0, 8)).toBe('EX000256');
    const n = Buffer.from(rsa.vectors[1]!.modulus, 'hex').toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
    expect(verify('sha256', Buffer.from('ABCBAB', 'hex'), publicKey, answer.subarray(8))).toBe(true);
  });

  test('EI: shape and lengths of the recorded answer', async () => {
    const recorded = messageOf(rsa.ej_answer_frame_hex).subarray(4);
    const request = messageOf(rsa.ei_request_frame_hex).subarray(4).toString('latin1');
    const answer = Buffer.from(await tdesHsm().call(request), 'latin1');
    expect(answer).toHaveLength(recorded.length);
    const publicKeyBytes = 269;
    for (const part of [
      [0, 4], // response code, error code
      [4, 12], // RSAPublicKey, INTEGER of 256 bytes without a leading zero
      [4 + publicKeyBytes - 5, 4 + publicKeyBytes + 4 + 17], // exponent, FFFF, S, header of the block
    ] as const) {
      expect(answer.subarray(...part).toString('latin1')).toBe(recorded.subarray(...part).toString('latin1'));
    }
    expect(publicExponent).toBe(0x10001);
  });

  test.each(commands.variant_lmk_parse_only)(
    '$request_ascii belongs to a variant LMK',
    async ({ request_ascii }) => {
      expect((await tdesHsm().call(afterHeader(request_ascii))).slice(2)).toMatch(/^(26|28)$/);
    },
  );
});

describe('frames of PayShieldPressureTest and payshield-crypto-client', () => {
  const answerTo = async (frame: string) =>
    (await aesHsm().answer(messageOf(framing[frame]!)))!.toString('latin1');

  test('NC: check value of the AES test LMK as a payShield 10K showed it', async () => {
    expect(await answerTo('nc_request_frame_hex')).toBe('HEADND009D04A000000000000000-0001');
  });
  test('NO mode 00', async () => {
    expect(await answerTo('no_request_frame_hex')).toBe('HEADNP003102560000-000100000');
  });
  test('N0: 8 raw bytes', async () => {
    expect(await answerTo('n0_request_frame_hex')).toMatch(/^HEADN100[\s\S]{8}$/);
  });
  test('B2', async () => {
    expect(await answerTo('b2_request_frame_hex')).toBe('HEADB300PING');
  });
  test('JK', async () => {
    const serial = 'OPENKDH-SOFT';
    expect(await answerTo('jk_request_frame_hex')).toBe(
      `HEADJL00${serial}261124120000221300101010001000K2Tpublic AES test LMK\x1500`,
    );
  });
});
