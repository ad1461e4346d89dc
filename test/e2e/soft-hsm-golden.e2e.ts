import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { unwrap } from '@openkdh/tr31';
import { type LmkHandle, lmkHandle, parseThalesHeader } from '@openkdh/tr31/thales';
import { testLmkKeys } from '../../apps/soft-hsm/src/lmk/test-lmks.ts';
import { frame } from '../../apps/soft-hsm/src/wire/frames.ts';
import { type RunningSoftHsm, startSoftHsm } from '../support/soft-hsm.ts';
import { messageOf, payshield } from '../support/soft-hsm-in-process.ts';
import { WireClient } from '../support/wire-client.ts';

/**
 * The public recordings of payShield frames, sent over real sockets to the real process: byte for byte where the
 * answer is not random, decrypted and compared where it is.
 */

const upperHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').toUpperCase();

/** Takes the S block at `at` of an answer, and opens it. */
function openSBlock(handle: LmkHandle, answer: string, at: number) {
  expect(answer[at]).toBe('S');
  const block = answer.slice(at + 1, at + 1 + Number(answer.slice(at + 2, at + 6)));
  const { header, key } = handle.unwrap(block);
  return { block, header, key: upperHex(key), end: at + 1 + block.length };
}

describe.each(['a unix socket', 'TLS 1.3'])('over %s, AES test LMK', (transport) => {
  const handle = lmkHandle(testLmkKeys.AES);
  let hsm: RunningSoftHsm;
  let client: WireClient;
  beforeAll(async () => {
    hsm = await startSoftHsm(['--test-lmk', '--no-key-length-hiding']);
    client = await (transport === 'TLS 1.3' ? WireClient.tls(hsm) : WireClient.unix(hsm.socketPath));
  });
  afterAll(async () => {
    client.close();
    await hsm.stop();
  });

  const { clear, exchanges } = payshield.a0_mode_b;

  test.each(exchanges)('A0 mode B, exchange $n, error code $error_code', async (exchange) => {
    const answer = (await client.call(messageOf(exchange.request_frame_hex))).toString('latin1');
    const recorded = messageOf(exchange.answer_frame_hex).toString('latin1');
    if (exchange.error_code !== '00') {
      expect(answer).toBe(recorded);
      return;
    }
    expect(answer).toHaveLength(recorded.length);
    const underLmk = openSBlock(handle, answer, 8);
    expect(answer.slice(0, 8 + 17)).toBe(recorded.slice(0, 8 + 17)); // header, code, S block header
    expect(underLmk.key).toBe(clear.initial_key);
    const block = answer.slice(underLmk.end + 1, -6);
    expect(block.slice(0, 16)).toBe(recorded.slice(underLmk.end + 1, underLmk.end + 17));
    const { key } = unwrap(Buffer.from(clear.zmk, 'hex'), block, { profile: 'payshield' });
    expect(upperHex(key)).toBe(clear.initial_key);
    expect(answer.slice(-6)).toBe(clear.kcv);
  });

  test('all twelve in flight at once, in one write and byte by byte: every answer has its own header', async () => {
    const frames = exchanges.map(({ request_frame_hex }, n) => {
      const message = messageOf(request_frame_hex);
      message.write(String(n).padStart(4, '0'), 'latin1');
      return frame([message]);
    });
    client.socket.write(Buffer.concat(frames));
    for (const byte of Buffer.concat(frames)) client.socket.write(Buffer.of(byte));
    const answers = await Promise.all(Array.from({ length: 24 }, () => client.next()));
    const codes = answers.map((answer) => answer.toString('latin1', 0, 8)).sort();
    const expected = exchanges.map(({ error_code }, n) => `${String(n).padStart(4, '0')}A1${error_code}`);
    expect(codes).toEqual([...expected, ...expected].sort());
  });

  test('status commands', async () => {
    const answerTo = async (name: string) =>
      (await client.call(messageOf(payshield.framing[name]!))).toString('latin1');
    expect(await answerTo('nc_request_frame_hex')).toBe('HEADND009D04A000000000000000-0001');
    expect(await answerTo('no_request_frame_hex')).toMatch(/^HEADNP00310256/);
    expect(await answerTo('n0_request_frame_hex')).toHaveLength(8 + 8);
    expect(await answerTo('jk_request_frame_hex')).toMatch(/^HEADJL00OPENKDH-SOFT\d{12}/);
    expect(await answerTo('b2_request_frame_hex')).toBe('HEADB300PING');
  });
});

describe('over a unix socket, 3DES key block test LMK', () => {
  const handle = lmkHandle(testLmkKeys.TDES);
  const { commands, s_block_v0, s_block_v0_rsa_private: rsa } = payshield;
  let hsm: RunningSoftHsm;
  let client: WireClient;
  beforeAll(async () => {
    hsm = await startSoftHsm(['--test-lmk', '--test-lmk-tdes']);
    client = await WireClient.unix(hsm.socketPath);
  });
  afterAll(async () => {
    client.close();
    await hsm.stop();
  });
  const call = async (message: string | Uint8Array) => (await client.call(message)).toString('latin1');

  test('A0 mode 0: a key with the recorded header', async () => {
    const { request_ascii, answer_ascii } = commands.a0_mode_0;
    const answer = await call(request_ascii);
    expect(answer).toHaveLength(answer_ascii.length);
    expect(answer.slice(4, 25)).toBe(answer_ascii.slice(4, 25));
    const { key } = openSBlock(handle, answer, 8);
    expect(await call(`0000BUFFF${answer.slice(8, -6)}`)).toBe(`0000BV00${answer.slice(-6)}`);
    expect(key).toHaveLength(32);
  });

  test('A0 mode 1: one key under the LMK and the ZMK', async () => {
    const { request_ascii, answer_tail_ascii, zmk_clear } = commands.a0_mode_1;
    const answer = (await call(request_ascii.replace('A01FFFS0S', 'A01FFFSS'))).slice(4);
    expect(answer).toHaveLength(answer_tail_ascii.length);
    const underLmk = openSBlock(handle, answer, 4);
    const underZmk = openSBlock(lmkHandle(Buffer.from(zmk_clear, 'hex')), answer, underLmk.end);
    expect(underZmk.key).toBe(underLmk.key);
    expect(underZmk.block.slice(0, 16)).toBe(answer_tail_ascii.slice(underLmk.end + 1, underLmk.end + 17));
  });

  test.each([
    ['A4', commands.a4_key_block],
    ['A6', commands.a6_s_block],
    ['A8', commands.a8_s_block],
  ])(
    '%s: the recorded key in a block with the recorded header',
    async (code, { request_ascii, answer_ascii }) => {
      const answer = await call(request_ascii);
      const wrapping = code === 'A8' ? lmkHandle(keyNamed('ZMK-1')) : handle;
      const recorded = openSBlock(wrapping, answer_ascii, 8);
      const made = openSBlock(wrapping, answer, 8);
      expect(made.key).toBe(recorded.key);
      expect(made.header).toEqual(recorded.header);
      expect(answer.slice(made.end)).toBe(answer_ascii.slice(recorded.end)); // KCV
    },
  );

  const keyNamed = (name: string) =>
    Buffer.from(s_block_v0.vectors.find((vector) => vector.name === name)!.clear_key, 'hex');

  test('BU, byte for byte', async () => {
    const { request_ascii, answer_ascii } = commands.bu.find(({ recomputed }) => recomputed)!;
    expect((await call(request_ascii!)).slice(4)).toBe(answer_ascii!.slice(4));
  });

  test('M0, M2, M4, M8, GW, byte for byte; a length that counts bytes of hex data is set to count characters', async () => {
    const { m0_m2_m4, m6_m8, gw } = commands;
    const inCharacters = (request: string) => request.replace(/0008(?=[0-9A-F]{16}(%|$))/, '0010');
    expect(await call(inCharacters(m0_m2_m4.m0_request_ascii))).toBe(`0002M1000010${m0_m2_m4.m0_result_hex}`);
    expect(await call(inCharacters(m0_m2_m4.m2_request_ascii))).toBe('0002M3000010ABCDEF1234567890');
    expect(await call(inCharacters(m0_m2_m4.m4_request_ascii))).toBe(`0002M5000010${m0_m2_m4.m4_result_hex}`);
    expect(await call(m6_m8.m8_request_ascii)).toBe('0002M900');
    expect(await call(messageOf(gw.generate_request_frame_hex))).toBe(`0002GX00${gw.mac_hex}`);
    expect(await call(messageOf(gw.verify_request_frame_hex))).toBe('0002GX00');
  });

  test('BW: the recorded key in a block with the recorded header, until BS', async () => {
    const { request_ascii, answer_ascii } = commands.bw;
    const answer = await call(request_ascii);
    const [made, recorded] = [openSBlock(handle, answer, 8), openSBlock(handle, answer_ascii, 8)];
    expect(made.key).toBe(recorded.key);
    expect(made.header).toEqual(recorded.header);
    expect(answer.slice(made.end)).toBe(answer_ascii.slice(recorded.end));
    expect(await call('0000BS')).toBe('0000BT00');
    expect((await call(request_ascii)).slice(4)).toBe('BX33');
  });

  test('EI: a key pair in the recorded form, which signs by EW', async () => {
    const answer = await client.call(messageOf(rsa.ei_request_frame_hex));
    const recorded = messageOf(rsa.ej_answer_frame_hex);
    expect(answer).toHaveLength(recorded.length);
    const publicKeyEnd = 8 + 269;
    const blockHeader = (bytes: Buffer) => bytes.toString('latin1', publicKeyEnd, publicKeyEnd + 4 + 17);
    expect(blockHeader(answer)).toBe(blockHeader(recorded));
    const block = answer.subarray(publicKeyEnd + 5);
    expect(parseThalesHeader(block).header.modeOfUse).toBe('D');
    expect(handle.unwrapPrivateKey(block).key.length).toBeGreaterThan(650);
  });

  test('EW: the recorded request, verified with the modulus of its key', async () => {
    const answer = await client.call(messageOf(rsa.ew_request_frame_hex));
    expect(answer.toString('latin1', 4, 12)).toBe('EX000256');
    const n = Buffer.from(rsa.vectors[1]!.modulus, 'hex').toString('base64url');
    const key = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
    expect(verify('sha256', Buffer.from('ABCBAB', 'hex'), key, answer.subarray(12))).toBe(true);
  });
});
