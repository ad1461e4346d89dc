import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import vectors from '../../../../test/vectors/payshield.json' with { type: 'json' };
import type { HsmError } from '../errors.ts';
import type { HsmStatus } from '../hsm.ts';
import * as audit from './audit-commands.ts';
import { type Command, readAnswer, requestMessage } from './command.ts';
import * as data from './data-commands.ts';
import * as signatures from './signature-commands.ts';
import * as status from './status-commands.ts';

const { m0_m2_m4, m6_m8 } = vectors.commands;
const dataKey = /S00072D0TN[0-9A-Z]+?(?=0008)/.exec(m0_m2_m4.m0_request_ascii)![0];
const macKey = /S00072M1TN[0-9A-Z]+?(?=0008)/.exec(m6_m8.m8_request_ascii)![0];
const aesDataKey = dataKey.replace('D0TN', 'D0AN');

const sent = (command: Command<unknown>): string => Buffer.from(requestMessage(command)).toString('latin1');
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as HsmError).code;
  }
  return 'no error';
};

describe('M0 and M2', () => {
  const clear = bytes('ABCDEF1234567890');

  test('as recorded, but for the data, which are raw bytes here', () => {
    const recorded = m0_m2_m4.m0_request_ascii.slice(4);
    const binary = recorded
      .replace('M00011', 'M00000')
      .replace('ABCDEF1234567890', Buffer.from(clear).toString('latin1'));
    expect(sent(data.cipherCommand('encrypt', { key: dataKey, data: clear }, undefined))).toBe(binary);
  });

  test('with an IV: mode 01, the IV in hex; the next IV in the answer is passed over', () => {
    const iv = new Uint8Array(8).fill(0xab);
    const command = data.cipherCommand('decrypt', { key: dataKey, data: clear, iv }, 1);
    expect(sent(command)).toBe(
      `M20100FFF${dataKey}${'AB'.repeat(8)}0008${Buffer.from(clear).toString('latin1')}%01`,
    );
    const answer = Buffer.concat([Buffer.from(`M300${'CD'.repeat(8)}0008`), clear]);
    expect(readAnswer(command, answer)).toEqual(clear);
  });

  test.each(Array.from({ length: 18 }, (_, length) => length))('IV of %i bytes', (length) => {
    const iv = new Uint8Array(length);
    const withKey = (key: string) => () => data.cipherCommand('encrypt', { key, data: clear, iv }, undefined);
    expect(codeOf(withKey(dataKey))).toBe(length === 8 ? 'no error' : 'HSM_BAD_REQUEST');
    expect(codeOf(withKey(aesDataKey))).toBe(length === 16 ? 'no error' : 'HSM_BAD_REQUEST');
  });

  test.each([0, 4097])('%i bytes are no request', (length) => {
    const work = () =>
      data.cipherCommand('encrypt', { key: dataKey, data: new Uint8Array(length) }, undefined);
    expect(codeOf(work)).toBe('HSM_BAD_REQUEST');
  });
});

describe('M6 and M8', () => {
  const message = bytes(m6_m8.data_hex);
  const request = { key: macKey, algorithm: 'retail-mac', data: message } as const;

  test('M8 as recorded, but for the algorithm, and the data, which are raw bytes here', () => {
    const recorded = m6_m8.m8_request_ascii.slice(4);
    const raw = Buffer.from(message).toString('latin1');
    // mode 0, format 1 to 0, size 0, algorithm 1 to 3, padding 1
    const ours = recorded.replace('M801011', 'M800031').replace('0008ABCDEF12', `0004${raw}`);
    expect(sent(data.verifyMac({ ...request, mac: bytes(m6_m8.mac_hex) }, 1))).toBe(ours);
  });

  test('M6: size 0 for 4 bytes, 1 for 8; algorithm 6 for CMAC', () => {
    const eight = data.generateMac({ ...request, algorithm: 'cmac', macBytes: 8 }, undefined);
    expect(sent(eight).slice(0, 7)).toBe('M600161');
    expect(readAnswer(eight, Buffer.from(`M700${m6_m8.full_block_hex}`))).toEqual(
      bytes(m6_m8.full_block_hex),
    );
    expect(sent(data.generateMac({ ...request, macBytes: 4 }, undefined)).slice(0, 7)).toBe('M600031');
  });

  test.each([0, 3, 5, 7, 9, 16])('a MAC of %i bytes is no request', (length) => {
    const work = () => data.verifyMac({ ...request, mac: new Uint8Array(length) }, undefined);
    expect(codeOf(work)).toBe('HSM_BAD_REQUEST');
  });
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const der = (key: KeyObject, type: 'pkcs1' | 'spki'): string =>
  key.export({ format: 'der', type }).toString('latin1');
const block = Buffer.from(`S10032${'x'.repeat(27)}`);

describe('EO, EY, QE', () => {
  test('EO: RSAPublicKey by encoding 02, SubjectPublicKeyInfo of P-256 by 03', () => {
    expect(sent(signatures.importPublicKey(rsa, 1))).toBe(`EO02${der(rsa, 'pkcs1')}~%01#V00N00`);
    expect(sent(signatures.importPublicKey(ec, undefined))).toBe(`EO03${der(ec, 'spki')}~#V00N00`);
  });

  test('EY: scheme, signature, data, public key as EO returned it', () => {
    const request = {
      publicKey: new Uint8Array(),
      data: Buffer.from('da;ta'),
      hash: 'sha256',
      signature: Buffer.from('sig;nature'),
    } as const;
    const fields = `0010sig;nature;0005da;ta;${block.toString()}`;
    expect(sent(signatures.verifySignature(request, rsa, block, 1))).toBe(`EY060101${fields}%01`);
    expect(sent(signatures.verifySignature(request, ec, block, undefined))).toBe(`EY060201${fields}`);
  });

  test('QE: in the order of the AWS sample', () => {
    const subject = { commonName: 'KDH', organisation: 'OpenKDH', country: 'NL' };
    const request = (key: KeyObject) => ({
      publicKey: Uint8Array.from(key.export({ format: 'der', type: 'spki' })),
      privateKey: block,
      subject,
    });
    const rest = '061KDH;;OpenKDH;;;NL;';
    expect(sent(signatures.requestCertificate(request(rsa), 0))).toBe(
      `QE000102${der(rsa, 'pkcs1')}${block.toString()}01${rest}%00`,
    );
    expect(sent(signatures.requestCertificate(request(ec), undefined))).toBe(
      `QE000203${der(ec, 'spki')}${block.toString()}${rest}`,
    );
  });

  test.each([
    { commonName: '' },
    { commonName: 'KDH;1' },
    { commonName: 'Zoë' },
    { commonName: 'x'.repeat(65) },
    { commonName: 'KDH', country: 'Netherlands' },
  ])('QE: a subject that is no request: %j', (subject) => {
    const publicKey = Uint8Array.from(ec.export({ format: 'der', type: 'spki' }));
    const work = () => signatures.requestCertificate({ publicKey, privateKey: block, subject }, undefined);
    expect(codeOf(work)).toBe('HSM_BAD_REQUEST');
  });
});

describe('JK', () => {
  const read = (tamper: string, lmks: string, fraud = '00'): HsmStatus =>
    readAnswer(
      status.instantaneousStatus(),
      Buffer.from(`JL00SERIAL-00012261124101500221300${tamper}020100${lmks}\x15${fraud}`),
    );

  test('two LMKs, not tampered', () => {
    expect(read('1', '00103K2Llive LMK\x1401000V0T')).toEqual({
      serialNumber: 'SERIAL-00012',
      tamper: 'none',
      masterKeys: [
        { id: '00', status: 'live', authorisedActivities: 3, comment: 'live LMK' },
        { id: '01', status: 'test', authorisedActivities: 0, comment: '' },
      ],
      fraudDetected: false,
    });
  });

  test('tampered, no LMK left, a limit exceeded', () => {
    expect(read('203261124101400', '', '10')).toEqual({
      serialNumber: 'SERIAL-00012',
      tamper: { cause: '03', at: '261124101400' },
      masterKeys: [],
      fraudDetected: true,
    });
  });

  test('whether tampered is not known', () => {
    expect(read('0', '').tamper).toBe('unknown');
  });

  test.each(['0', '00103K2X', '00103K2L\x14'])('an LMK entry that is none: %j', (lmks) => {
    expect(codeOf(() => read('1', lmks))).toBe('HSM_BAD_ANSWER');
  });
});

describe('the audit log', () => {
  test('ZL: lines without their line feeds; a record that is cut off is a bad answer', () => {
    const command = audit.auditRecords(7);
    expect(sent(command)).toBe('ZL00000000000000000007');
    expect(readAnswer(command, Buffer.from('ZM00{"seq":7}\n{"seq":8}\n'))).toEqual([
      '{"seq":7}',
      '{"seq":8}',
    ]);
    expect(readAnswer(command, Buffer.from('ZM00'))).toEqual([]);
    expect(codeOf(() => readAnswer(command, Buffer.from('ZM00{"seq":7}\n{"se')))).toBe('HSM_BAD_ANSWER');
  });

  test('ZK', () => {
    expect(sent(audit.acknowledgeAuditRecords(8))).toBe('ZK00000000000000000008');
  });

  test.each([-1, 0.5, 2 ** 53])('%d is no sequence number', (seq) => {
    expect(codeOf(() => audit.auditRecords(seq))).toBe('HSM_BAD_REQUEST');
  });
});

const sealed = { publicKey: new Uint8Array(), data: block, hash: 'sha256', signature: block } as const;
const csr = {
  publicKey: Uint8Array.from(ec.export({ format: 'der', type: 'spki' })),
  privateKey: block,
  subject: { commonName: 'KDH' },
};
const pem = '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n';

test.each<[string, Command<unknown>, Buffer]>([
  ['M0', data.cipherCommand('encrypt', { key: dataKey, data: block }, 0), Buffer.from('M1000003abc')],
  [
    'M2 in CBC',
    data.cipherCommand('decrypt', { key: dataKey, data: block, iv: new Uint8Array(8) }, 0),
    Buffer.from(`M300${'0'.repeat(16)}0003abc`),
  ],
  [
    'M6',
    data.generateMac({ key: macKey, algorithm: 'cmac', data: block, macBytes: 4 }, 0),
    Buffer.from('M70001234567'),
  ],
  [
    'M8',
    data.verifyMac({ key: macKey, algorithm: 'cmac', data: block, mac: new Uint8Array(4) }, 0),
    Buffer.from('M900'),
  ],
  ['EO', signatures.importPublicKey(ec, 0), Buffer.concat([Buffer.from('EP00'), block])],
  ['EY', signatures.verifySignature(sealed, ec, block, 0), Buffer.from('EZ00')],
  [
    'QE',
    signatures.requestCertificate(csr, 0),
    Buffer.from(`QF00${String(pem.length).padStart(4, '0')}${pem}`),
  ],
  [
    'JK',
    status.instantaneousStatus(),
    Buffer.from('JL00SERIAL-00012261124101500221300101000000000K2L\x1500'),
  ],
  ['ZK', audit.acknowledgeAuditRecords(1), Buffer.from('ZL00')],
])(
  '%s: may be sent again; every shorter answer, and one byte more, is a bad answer',
  (_name, command, whole) => {
    expect(command.repeatable).toBe(true);
    expect(codeOf(() => readAnswer(command, whole))).toBe('no error');
    for (let length = 0; length < whole.length; length++) {
      expect([length, codeOf(() => readAnswer(command, whole.subarray(0, length)))]).toEqual([
        length,
        'HSM_BAD_ANSWER',
      ]);
    }
    expect(codeOf(() => readAnswer(command, Buffer.concat([whole, Buffer.from('0')])))).toBe(
      'HSM_BAD_ANSWER',
    );
  },
);
