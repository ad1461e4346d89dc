import { createHash, createPublicKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import vectors from '../../../../test/vectors/payshield.json' with { type: 'json' };
import type { HsmError } from '../errors.ts';
import * as audit from './audit-commands.ts';
import { type Command, readAnswer, requestMessage } from './command.ts';
import * as keys from './key-commands.ts';
import * as rsa from './key-pair-commands.ts';
import * as signatures from './signature-commands.ts';
import * as status from './status-commands.ts';

const { commands, a0_mode_b: modeB, s_block_v0_rsa_private: rsaVectors } = vectors;
const bdk = modeB.fields.bdk_block;
const kbpk = modeB.fields.zmk_block;
const ksn = Uint8Array.from(Buffer.from(modeB.fields.ksn, 'hex'));

/** What the command sends after the message header. */
const sent = (command: Command<unknown>): string => Buffer.from(requestMessage(command)).toString('latin1');

/** A recorded frame without length and header. */
const message = (frameHex: string): Buffer => Buffer.from(frameHex, 'hex').subarray(6);

/** A recorded answer, given as text, without header. */
const answer = (ascii: string): Buffer => Buffer.from(ascii.slice(4), 'latin1');

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as HsmError).code;
  }
  return 'no error';
};

const exportInitialKey = (change: object = {}, lmkId?: number) =>
  keys.exportInitialKey(
    {
      bdk,
      scheme: 'AES',
      initialKsn: ksn,
      kbpk,
      versionId: 'D',
      algorithm: 'A128',
      optionalBlocks: [],
      exportability: 'S',
      ...change,
    },
    lmkId,
  );

describe('requests, byte for byte as in payshield.json', () => {
  test.each([
    ['NC', status.diagnostics(undefined), vectors.framing.nc_request_frame_hex],
    ['NO', status.ioBufferSize(), vectors.framing.no_request_frame_hex],
    ['N0', status.random(8), vectors.framing.n0_request_frame_hex],
    [
      'A0 mode 0',
      keys.generateKey({ usage: 'K0', algorithm: 'T2', modeOfUse: 'B', exportability: 'E' }, 1),
      commands.a0_mode_0.request_frame_hex,
    ],
    [
      'A4',
      keys.formKeyFromComponents(
        [commands.a4_key_block.component_1.block, commands.a4_key_block.component_2.block],
        undefined,
      ),
      commands.a4_key_block.request_frame_hex,
    ],
    [
      'BU',
      keys.checkValue(commands.bu[0]!.request_ascii!.slice(9, 82), undefined),
      commands.bu[0]!.request_frame_hex!,
    ],
    [
      'EW',
      signatures.sign(
        { privateKey: ewPrivateKey(), data: Uint8Array.of(0xab, 0xcb, 0xab), hash: 'sha256' },
        1,
      ),
      rsaVectors.ew_request_frame_hex,
    ],
  ])('%s', (_name, command, frameHex) => {
    expect(sent(command)).toBe(message(frameHex).toString('latin1'));
  });

  test('EW: what is too long for its length field is sent as a DigestInfo', () => {
    const data = new Uint8Array(10_000);
    const digestInfo = `3031300d060960864801650304020105000420${createHash('sha256').update(data).digest('hex')}`;
    const command = sent(signatures.sign({ privateKey: ewPrivateKey(), data, hash: 'sha256' }, 1));
    expect(command.slice(0, 12)).toBe('EW0401010051');
    expect(Buffer.from(command.slice(12, 63), 'latin1').toString('hex')).toBe(digestInfo);
  });

  test('A0 mode B differs from the recordings in the BDK type digit, the mode and the TR-31 version alone', () => {
    const recorded = modeB.exchanges[8]!;
    expect(recorded.request_ascii).toContain('%01#B1A1N00S00');
    expect(`HEAD${sent(exportInitialKey({}, 1))}`).toBe(
      recorded.request_ascii.replace('A0BFFFS02', 'A0BFFFS01').replace('#B1A1N00S00', '#B1A1X00S00!D'),
    );
  });

  test('EI differs from the recording in the encoding of the public key alone', () => {
    const ours = sent(rsa.generateRsaKeyPair({ bits: 2048, use: 'key-management' }, 1));
    expect(`0011${ours}`).toBe(rsaVectors.ei_request_ascii.replace('1204801%', '1204802%'));
  });

  test('A8 and A6 as the AWS sample and the recordings write them, with TR-31', () => {
    expect(sent(keys.exportKey({ key: bdk, kbpk, versionId: 'D' }, 0))).toBe(`A8FFF${kbpk}${bdk}R%00!D`);
    const tr31 = modeB.exchanges[0]!.tr31_block!;
    expect(sent(keys.importKey({ keyBlock: tr31.slice(1), kbpk }, 1))).toBe(`A6FFF${kbpk}${tr31}S%01`);
  });
});

describe('A0 mode B fields', () => {
  test('TDES: 15 digits of the KSN, optional block KS, exported copy modified to N', () => {
    const initialKsn = Uint8Array.from(Buffer.from('FFFF9876543210E00000', 'hex'));
    const tdesBdk = commands.a0_mode_0.answer_ascii.slice(8, 81).replace('K0TB', 'B0TX');
    const request = sent(
      exportInitialKey({
        bdk: tdesBdk,
        scheme: 'TDES',
        initialKsn,
        versionId: 'B',
        algorithm: 'T2',
        optionalBlocks: [{ id: 'KS', data: 'FFFF9876543210E00000' }],
        exportability: 'N',
      }),
    );
    expect(request).toBe(`A0BFFFS01${tdesBdk}FFFF9876543210E${kbpk}R#B1T2X00S01KS18FFFF9876543210E00000&N!B`);
  });

  test.each(Array.from({ length: 21 }, (_, bit) => bit))('TDES: counter bit %i set is refused', (bit) => {
    const initialKsn = Buffer.alloc(10, 0xff);
    initialKsn.writeUIntBE(0xe00000 | (1 << bit), 7, 3);
    expect(codeOf(() => exportInitialKey({ scheme: 'TDES', initialKsn }))).toBe('HSM_BAD_REQUEST');
  });

  test.each(Array.from({ length: 13 }, (_, length) => length))('KSN of %i bytes', (length) => {
    const initialKsn = new Uint8Array(length);
    expect(codeOf(() => exportInitialKey({ initialKsn }))).toBe(
      length === 8 ? 'no error' : 'HSM_BAD_REQUEST',
    );
    expect(codeOf(() => exportInitialKey({ scheme: 'TDES', initialKsn }))).toBe(
      length === 10 ? 'no error' : 'HSM_BAD_REQUEST',
    );
  });

  test.each([
    ['41', '2'],
    ['42', '3'],
    ['43', '4'],
  ])('a BDK of usage %s is sent as master key type %s', (usage, digit) => {
    const request = sent(exportInitialKey({ bdk: bdk.replace('B0AN', `${usage}AN`) }));
    expect(request.slice(7, 9)).toBe(`0${digit}`);
  });

  test('a BDK of another usage is refused', () => {
    expect(codeOf(() => exportInitialKey({ bdk: kbpk }))).toBe('HSM_BAD_REQUEST');
  });
});

describe('what does not meet the contract is refused before it is sent', () => {
  test.each([
    ['a key block shorter than it says', () => keys.checkValue(bdk.slice(0, -1), undefined)],
    ['a key block longer than it says', () => keys.checkValue(`${bdk}0`, undefined)],
    ['a key without the S tag', () => keys.checkValue(bdk.slice(1), undefined)],
    ['a group smuggled into a key', () => keys.checkValue(`${bdk.slice(0, -3)}%01`, undefined)],
    ['one component', () => keys.formKeyFromComponents([bdk], undefined)],
    ['ten components', () => keys.formKeyFromComponents(Array(10).fill(bdk), undefined)],
    ['0 random bytes', () => status.random(0)],
    ['257 random bytes', () => status.random(257)],
    ['1.5 random bytes', () => status.random(1.5)],
    ['LMK id 100', () => status.diagnostics(100)],
    [
      'a usage of three characters',
      () =>
        keys.generateKey({ usage: 'K00', algorithm: 'A128', modeOfUse: 'B', exportability: 'N' }, undefined),
    ],
    [
      'a mode of use of two',
      () =>
        keys.generateKey({ usage: 'K0', algorithm: 'A128', modeOfUse: 'BB', exportability: 'N' }, undefined),
    ],
    ['optional block PB', () => exportInitialKey({ optionalBlocks: [{ id: 'PB', data: '' }] })],
    [
      'an optional block that is too long',
      () => exportInitialKey({ optionalBlocks: [{ id: 'LB', data: 'x'.repeat(252) }] }),
    ],
    [
      'an optional block that is not printable',
      () => exportInitialKey({ optionalBlocks: [{ id: 'LB', data: 'ä' }] }),
    ],
    [
      'data too long to be signed with ECDSA',
      () =>
        signatures.sign(
          { privateKey: ewPrivateKey(), data: new Uint8Array(10_000), hash: 'sha256', algorithm: 'EC' },
          undefined,
        ),
    ],
    [
      'a private key cut short',
      () =>
        signatures.sign(
          { privateKey: ewPrivateKey().subarray(0, -1), data: new Uint8Array(1), hash: 'sha256' },
          undefined,
        ),
    ],
    [
      'a TR-31 block cut short',
      () => keys.importKey({ keyBlock: modeB.exchanges[0]!.tr31_block!.slice(1, -1), kbpk }, undefined),
    ],
    [
      'a TR-31 block with its R',
      () => keys.importKey({ keyBlock: modeB.exchanges[0]!.tr31_block!, kbpk }, undefined),
    ],
  ])('%s', (_name, work) => {
    expect(codeOf(work)).toBe('HSM_BAD_REQUEST');
  });

  test('no message names a character of the key', () => {
    try {
      keys.checkValue(`${bdk}0`, undefined);
    } catch (error) {
      expect((error as HsmError).message).not.toMatch(/[0-9A-F]{6}/);
    }
  });
});

describe('answers in payshield.json', () => {
  test.each(modeB.exchanges.filter(({ error_code }) => error_code === '00'))(
    'A0 mode B, exchange $n; with its mode N, which was not asked for, it is a bad answer',
    (exchange) => {
      const forModeX = exchange.answer_ascii.replace('D0112B1AN', 'D0112B1AX');
      expect(readAnswer(exportInitialKey(), answer(forModeX))).toEqual({
        keyBlock: exchange.tr31_block!.slice(1).replace('B1AN', 'B1AX'),
        kcv: 'DD3ABE',
      });
      expect(codeOf(() => readAnswer(exportInitialKey(), answer(exchange.answer_ascii)))).toBe(
        'HSM_BAD_ANSWER',
      );
    },
  );

  test.each(modeB.exchanges.filter(({ error_code }) => error_code !== '00'))(
    'A0 mode B, exchange $n is refused with $error_code',
    (exchange) => {
      expect(() => readAnswer(exportInitialKey(), message(exchange.answer_frame_hex))).toThrow(
        expect.objectContaining({
          code: 'HSM_REFUSED',
          answer: exchange.error_code,
          mayHaveExecuted: false,
        }),
      );
    },
  );

  test('A0 mode 0, A4, A6, BU', () => {
    const generated = commands.a0_mode_0;
    const spec = { usage: 'K0', algorithm: 'T2', modeOfUse: 'B', exportability: 'E' } as const;
    expect(readAnswer(keys.generateKey(spec, 1), answer(generated.answer_ascii))).toEqual({
      keyBlock: generated.answer_ascii.slice(8, 81),
      kcv: generated.kcv,
    });
    const { component_1, component_2, result, answer_ascii } = commands.a4_key_block;
    const formed = keys.formKeyFromComponents([component_1.block, component_2.block], undefined);
    expect(readAnswer(formed, answer(answer_ascii))).toEqual({ keyBlock: result.block, kcv: result.kcv });
    const imported = keys.importKey({ keyBlock: modeB.exchanges[0]!.tr31_block!.slice(1), kbpk }, 1);
    expect(readAnswer(imported, answer(commands.a6_s_block.answer_ascii)).kcv).toBe(commands.a6_s_block.kcv);
    expect(readAnswer(keys.checkValue(bdk, undefined), answer(commands.bu[0]!.answer_ascii!))).toBe('2356F2');
  });

  test('A6 with error code 01: the key is imported, its parity was odd', () => {
    const imported = keys.importKey({ keyBlock: modeB.exchanges[0]!.tr31_block!.slice(1), kbpk }, 1);
    const advice = answer(commands.a6_s_block.answer_ascii.replace('A700', 'A701'));
    expect(readAnswer(imported, advice).kcv).toBe(commands.a6_s_block.kcv);
  });

  test('EJ: the public key comes out as SubjectPublicKeyInfo, the private key with its S tag', () => {
    const pair = readAnswer(rsa.generateRsaKeyPair({ bits: 2048, use: 'key-management' }, 1), ejAnswer());
    const publicKey = createPublicKey({ key: Buffer.from(pair.publicKey), format: 'der', type: 'spki' });
    const { n } = publicKey.export({ format: 'jwk' });
    expect(Buffer.from(n!, 'base64url').toString('hex').toUpperCase()).toBe(rsaVectors.vectors[0]!.modulus);
    expect(Buffer.from(pair.privateKey).toString('hex').toUpperCase()).toBe(
      `53${rsaVectors.vectors[0]!.block_hex}`,
    );
  });

  test('EJ with the unsigned integers of encoding 01, as recorded, reads the same', () => {
    const command = rsa.generateRsaKeyPair({ bits: 2048, use: 'key-management' }, 1);
    expect(readAnswer(command, message(rsaVectors.ej_answer_frame_hex))).toEqual(
      readAnswer(command, ejAnswer()),
    );
  });

  const b9Parts = {
    authenticatedAttributes: Uint8Array.of(0x31, 0x03, 1, 2, 3),
    kcv: 'ABCDEF',
    envelopedData: Uint8Array.of(0x30, 0x81, 0x80, ...new Uint8Array(128)),
    signature: new Uint8Array(256).fill(7),
  };
  const b8Request = {
    key: kbpk,
    kdhPrivateKey: ewPrivateKey(),
    kdhId: Uint8Array.of(0x30, 0),
    krdId: Uint8Array.of(0x30, 1, 1),
    krdPublicKey: Uint8Array.of(0x30, 1, 2),
    nonce: new Uint8Array(8).fill(0x4e),
    versionId: 'D',
  } as const;
  const b8 = rsa.exportTr34(b8Request, 1);
  const b9 = Buffer.concat([
    Buffer.from('B900'),
    b9Parts.authenticatedAttributes,
    Buffer.from(b9Parts.kcv, 'hex'),
    b9Parts.envelopedData,
    Buffer.from('0256'),
    b9Parts.signature,
  ]);

  test('B8 in the order of the AWS sample, and the parts of B9', () => {
    const key = Buffer.from(ewPrivateKey()).toString('latin1');
    expect(sent(b8)).toBe(`B80FFF${kbpk}0\x000000010\x01\x010\x01\x020099FFFF${key}01008NNNNNNNN%01!D`);
    expect(readAnswer(b8, b9)).toEqual(b9Parts);
  });

  test('B8 for an HSM that judges the KRD: its certificate and CRLs at the end', () => {
    const request = {
      ...b8Request,
      krdEvidence: { certificate: Uint8Array.of(0x30, 1, 3), crls: [Uint8Array.of(0x30, 1, 4)] },
    };
    expect(sent(rsa.exportTr34(request, 1))).toBe(`${sent(b8)}~0\x01\x0310\x01\x04`);
    const crls = Array(10).fill(Uint8Array.of(0x30, 0));
    expect(
      codeOf(() => rsa.exportTr34({ ...request, krdEvidence: { ...request.krdEvidence, crls } }, 1)),
    ).toBe('HSM_BAD_REQUEST');
  });

  test.each([
    ['NC', status.diagnostics(undefined), Buffer.from('ND009D04A000000000002200-1011')],
    ['N0', status.random(16), Buffer.concat([Buffer.from('N100'), new Uint8Array(16)])],
    [
      'A0 mode B',
      exportInitialKey(),
      answer(modeB.exchanges[0]!.answer_ascii.replace('D0112B1AN', 'D0112B1AX')),
    ],
    [
      'A0 mode 0',
      keys.generateKey({ usage: 'K0', algorithm: 'T2', modeOfUse: 'B', exportability: 'E' }, 1),
      answer(commands.a0_mode_0.answer_ascii),
    ],
    ['BU', keys.checkValue(bdk, undefined), answer(commands.bu[0]!.answer_ascii!)],
    ['EI', rsa.generateRsaKeyPair({ bits: 2048, use: 'key-management' }, 1), ejAnswer()],
    [
      'EW',
      signatures.sign({ privateKey: ewPrivateKey(), data: new Uint8Array(1), hash: 'sha256' }, 1),
      Buffer.concat([Buffer.from('EX000256'), new Uint8Array(256)]),
    ],
    ['B8', b8, b9],
  ])(
    '%s: every shorter answer, and one byte more, is a bad answer',
    (_name, command: Command<unknown>, whole) => {
      expect(codeOf(() => readAnswer(command, whole))).toBe('no error');
      for (let length = 0; length < whole.length; length++) {
        const result = codeOf(() => readAnswer(command, whole.subarray(0, length)));
        if (result !== 'HSM_BAD_ANSWER') throw new Error(`${length} bytes of ${whole.length}: ${result}`);
      }
      expect(codeOf(() => readAnswer(command, Buffer.concat([whole, Buffer.from('0')])))).toBe(
        'HSM_BAD_ANSWER',
      );
    },
  );

  test('the answer of another command is a bad answer, and may mean that the command was executed', () => {
    expect(() => readAnswer(status.random(1), Buffer.from('A1000'))).toThrow(
      expect.objectContaining({ code: 'HSM_BAD_ANSWER', mayHaveExecuted: true }),
    );
  });
});

describe('which commands may be sent again', () => {
  const key = { usage: 'K0', algorithm: 'A128', modeOfUse: 'B', exportability: 'N' } as const;
  const tr31 = modeB.exchanges[0]!.tr31_block!.slice(1);
  test.each([
    ['NC', true, status.diagnostics(undefined)],
    ['N0', true, status.random(1)],
    ['ZC', true, audit.operationCount()],
    ['BU', true, keys.checkValue(bdk, undefined)],
    ['A0 mode B', true, exportInitialKey()],
    [
      'EW',
      true,
      signatures.sign({ privateKey: ewPrivateKey(), data: new Uint8Array(1), hash: 'sha256' }, undefined),
    ],
    ['A0 mode 0', false, keys.generateKey(key, undefined)],
    ['A4', false, keys.formKeyFromComponents([bdk, bdk], undefined)],
    ['A6', false, keys.importKey({ keyBlock: tr31, kbpk }, undefined)],
    ['A8', false, keys.exportKey({ key: bdk, kbpk, versionId: 'D' }, undefined)],
    ['EI', false, rsa.generateRsaKeyPair({ bits: 2048, use: 'signature' }, undefined)],
    ['FY', false, rsa.generateEcKeyPair(undefined)],
  ] as [string, boolean, Command<unknown>][])('%s: %s', (_name, repeatable, command) => {
    expect(command.repeatable).toBe(repeatable);
  });
});

/** The signing key of the recorded EW, S tag included. */
function ewPrivateKey(): Uint8Array {
  return Uint8Array.from(Buffer.from(`53${rsaVectors.vectors[1]!.block_hex}`, 'hex'));
}

/** The recorded EJ, its modulus given the leading zero of encoding 02: two lengths and one byte more. */
function ejAnswer(): Buffer {
  const recorded = message(rsaVectors.ej_answer_frame_hex).toString('hex');
  const unsigned = '3082010902820100';
  expect(recorded).toContain(unsigned);
  return Buffer.from(recorded.replace(unsigned, '3082010a0282010100'), 'hex');
}
