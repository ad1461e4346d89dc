import {
  constants,
  createDecipheriv,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  verify,
} from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { ThalesHeader } from '@openkdh/tr31/thales';
import { issuerAndSerialNumber, rsaPublicKey } from '@openkdh/tr34';
import { certificates, issueCrl, keys, krdCrl } from '../../../../libs/tr34/test/pki.ts';
import { InProcessHsm } from '../../../../test/support/soft-hsm-in-process.ts';
import { generateRsaKeyPair } from '../asymmetric/rsa-private-key.ts';
import { loadTestLmk } from '../lmk/test-lmks.ts';

/**
 * B8 against a KRD that is a bare key pair; the token as a whole is opened by libs/tr34 in the conformance suite of
 * libs/hsm-client.
 */

const lmk = loadTestLmk('AES');
const bytes = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
const usual: Omit<ThalesHeader, 'keyUsage' | 'algorithm' | 'modeOfUse'> = {
  versionId: '1',
  lmkId: '01',
  keyVersion: '00',
  exportability: 'E',
  optionalBlocks: [],
};

const aesKey = Buffer.from('00112233445566778899AABBCCDDEEFF', 'hex');
const tdesKey = Buffer.from('0123456789ABCDEFFEDCBA987654321080808080FEFEFEFE', 'hex');
const keyBlock = (changes: Partial<ThalesHeader> = {}, key: Uint8Array = aesKey) =>
  `S${lmk.handle.wrap({ ...usual, keyUsage: 'K1', algorithm: 'A', modeOfUse: 'B', ...changes }, key)}`;

const kdh = await generateRsaKeyPair(2048);
const signingHeader = { ...usual, keyUsage: '03', algorithm: 'R', modeOfUse: 'S', exportability: 'N' };
const signing = bytes('S', lmk.handle.wrapPrivateKey(signingHeader, kdh.crt));
const krd = generateKeyPairSync('rsa', { modulusLength: 2048 });
const krdPublicKey = krd.publicKey.export({ format: 'der', type: 'pkcs1' });

/** IssuerAndSerialNumber with an empty name. */
const idOf = (serial: number) => Buffer.from([0x30, 0x05, 0x30, 0x00, 0x02, 0x01, serial]);

const usualParts = {
  version: '0',
  keyType: 'FFF',
  key: keyBlock(),
  kdhId: idOf(1),
  constant1: '000001',
  krdId: idOf(2),
  krdPublicKey: krdPublicKey as Uint8Array,
  constant2: '00',
  flag: '99FFFF',
  privateKey: signing as Uint8Array,
  constant3: '010',
  nonceLength: '10',
  nonce: Buffer.alloc(16, 0x6e) as Uint8Array,
  end: '!D' as string | Uint8Array,
};
const b8 = (changes: Partial<typeof usualParts> = {}) =>
  bytes('B8', ...Object.values({ ...usualParts, ...changes }));
const call = async (request: Uint8Array) => bytes(await new InProcessHsm().call(request));
const codeOf = async (request: Uint8Array) => (await call(request)).toString('latin1', 2, 4);

/** Takes one DER element with a length in two bytes, or a short one, from the front. */
function der(answer: Buffer): [Buffer, Buffer] {
  const long = answer[1] === 0x82;
  const end = long ? 4 + answer.readUInt16BE(2) : answer[1] === 0x81 ? 3 + answer[2]! : 2 + answer[1]!;
  return [answer.subarray(0, end), answer.subarray(end)];
}

describe('B8', () => {
  test.each([
    ['D', keyBlock(), '!D', '608648016503040102' /* aes128-CBC */],
    ['B', keyBlock({ algorithm: 'T' }, tdesKey), '!B', '2A864886F70D0307' /* des-ede3-cbc */],
  ])('version %s: attributes, KCV, envelope and signature', async (_, key, end, cipherOid) => {
    const answer = await call(b8({ key, end }));
    expect(answer.toString('latin1', 0, 4)).toBe('B900');
    const [attributes, afterAttributes] = der(answer.subarray(4));
    const kcv = afterAttributes.subarray(0, 3).toString('hex').toUpperCase();
    expect((await new InProcessHsm().call(`BUFFF${key}`)).slice(4)).toBe(kcv);
    const [envelope, afterEnvelope] = der(afterAttributes.subarray(3));
    expect(envelope.includes(Buffer.from(cipherOid, 'hex'))).toBe(true);
    expect(attributes.includes(Buffer.from(usualParts.nonce))).toBe(true);
    expect(attributes.includes(`${end.charAt(1)}0000K1${end === '!D' ? 'A' : 'T'}B00E0000`)).toBe(true);

    const length = Number(afterEnvelope.toString('latin1', 0, 4));
    const signature = afterEnvelope.subarray(4);
    expect(signature).toHaveLength(length);
    const publicKey = createPublicKey({ key: kdh.publicKey, format: 'der', type: 'pkcs1' });
    expect(verify('sha256', attributes, publicKey, signature)).toBe(true);
  });

  test('the envelope opens with the private key of the KRD and holds the key', async () => {
    const [, afterAttributes] = der((await call(b8())).subarray(4));
    const [envelope] = der(afterAttributes.subarray(3));
    const at = envelope.indexOf(Buffer.from('04820100', 'hex')); // OCTET STRING of 256 bytes: the content key
    const contentKey = privateDecrypt(
      { key: krd.privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      envelope.subarray(at + 4, at + 4 + 256),
    );
    const iv = envelope.indexOf(Buffer.from('0410', 'hex'), at + 4 + 256) + 2;
    const content = envelope.subarray(envelope.indexOf(0x80, iv + 16)); // [0] encryptedContent
    const decipher = createDecipheriv('aes-128-cbc', contentKey, envelope.subarray(iv, iv + 16));
    const plain = Buffer.concat([decipher.update(der(content)[0].subarray(2)), decipher.final()]);
    expect(plain.includes(aesKey)).toBe(true);
  });

  test.each<[string, string, Partial<typeof usualParts>]>([
    ['E0', 'another TR-34 version', { version: '1' }],
    ['28', 'a key type of variant LMKs', { keyType: '000' }],
    ['A6', 'a BDK', { key: keyBlock({ keyUsage: 'B0', modeOfUse: 'X' }) }],
    ['AA', 'a key that is not exportable', { key: keyBlock({ exportability: 'N' }) }],
    ['A9', 'a component', { key: keyBlock({ keyVersion: 'c1' }) }],
    ['A4', 'a changed key', { key: keyBlock().replace('K1', 'K0') }],
    [
      'BB',
      'a key stronger than what carries it',
      { key: keyBlock({}, Buffer.concat([aesKey, tdesKey.subarray(0, 16)])) },
    ],
    ['A7', 'version B of an AES key', { end: '!B' }],
    ['15', 'no version', { end: '' }],
    ['15', 'another constant after the KDH id', { constant1: '000002' }],
    ['15', 'another constant after the KRD key', { constant2: '01' }],
    ['15', 'another constant after the private key', { constant3: '020' }],
    ['80', 'a nonce of 7 bytes', { nonceLength: '07', nonce: Buffer.alloc(7) }],
    ['80', 'a nonce of 17 bytes', { nonceLength: '11', nonce: Buffer.alloc(17) }],
    ['04', 'another private key flag', { flag: '00FFFF' }],
    [
      'A8',
      'a private key that does not sign',
      { privateKey: bytes('S', lmk.handle.wrapPrivateKey({ ...signingHeader, modeOfUse: 'D' }, kdh.crt)) },
    ],
    ['76', 'a KRD key that is none', { krdPublicKey: idOf(3) }],
    [
      '76',
      'a KRD key of 1024 bits',
      {
        krdPublicKey: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
          format: 'der',
          type: 'pkcs1',
        }),
      },
    ],
    ['15', 'a KRD id that is no DER', { krdId: Buffer.from([0x30, 0x84, 0, 0, 0, 0]) }],
    ['13', 'an LMK that is not loaded', { end: '%07!D' }],
  ])('%s: %s', async (code, _, changes) => {
    expect(await codeOf(b8(changes))).toBe(code);
  });

  test('one key has left', async () => {
    const hsm = new InProcessHsm();
    await hsm.call(b8());
    await hsm.call(b8({ version: '1' }));
    expect(hsm.operations).toBe(1);
    expect(await hsm.call('ZC')).toBe('ZD0000000000000000000001');
  });
});

describe('B8 while authorities of KRDs are installed', () => {
  const base64 = Buffer.from(certificates.krdCa).toString('base64');
  const authority = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----`;
  const { krd } = certificates;
  const shown = (certificate: Uint8Array, ...crls: Uint8Array[]) =>
    bytes('!D~', certificate, String(crls.length), ...crls);
  const parts = (changes: Partial<typeof usualParts> = {}) => ({
    krdId: Buffer.from(issuerAndSerialNumber(krd)),
    krdPublicKey: rsaPublicKey(krd),
    end: shown(krd, krdCrl),
    ...changes,
  });
  const strictHsm = () => {
    const hsm = new InProcessHsm();
    hsm.machine.authorities.replace({ kdh: [], krd: [authority] });
    return hsm;
  };
  const codes = async (hsm: InProcessHsm, ...requests: Partial<typeof usualParts>[]) => {
    const answers: string[] = [];
    for (const request of requests) answers.push((await hsm.call(b8(request))).slice(2, 4));
    return answers.join(' ');
  };

  test('a KRD that they stand for gets its key, once for a nonce', async () => {
    const other = { nonce: Buffer.alloc(16, 0x6f) };
    expect(await codes(strictHsm(), parts(), parts(), parts(other))).toBe('00 17 00');
  });

  const revoking = issueCrl({ issuer: 'KRD CA', key: keys.krdCa, number: 2, revoked: [krd] });
  test.each<[string, Partial<typeof usualParts>]>([
    ['no certificate', parts({ end: '!D' })],
    ['no CRL', parts({ end: shown(krd) })],
    ['a CRL in which it stands', parts({ end: shown(krd, revoking) })],
    ['the certificate of a KDH', parts({ end: shown(certificates.kdh, krdCrl) })],
    ['the certificate of another KRD', parts({ end: shown(certificates.otherKrd, krdCrl) })],
    ['another public key', parts({ krdPublicKey })],
    ['what is no certificate', parts({ end: shown(Buffer.from([0x30, 0])) })],
  ])('17: %s', async (_, request) => {
    expect(await codes(strictHsm(), request)).toBe('17');
  });

  test('without them a certificate that is shown changes nothing', async () => {
    expect(await codes(new InProcessHsm(), parts(), parts())).toBe('00 00');
  });
});
