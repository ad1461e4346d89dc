/** The work of an HSM in payShield's B8, and the token that a host puts together from its answer. */
import { createHash, createPublicKey, privateDecrypt, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  bytes,
  certificates,
  decryptor,
  hex,
  kdhCrl,
  keys,
  krd,
  nonce,
  outstanding,
  refusal,
} from '../test/pki.ts';
import { concat, contextTag, encode, openDer, readDer, sequence, tags } from './der.ts';
import { importRsaPublicKey } from './envelope.ts';
import {
  assembleKeyToken,
  describeToken,
  exportKey,
  issuerAndSerialNumber,
  type KeyTransport,
  openKeyToken,
  parseKeyToken,
  rsaPublicKey,
  verifyToken,
} from './index.ts';

const transport: KeyTransport = {
  key: bytes('00112233445566778899AABBCCDDEEFF'),
  header: 'D0000K1AD00N0000',
  kdh: issuerAndSerialNumber(certificates.kdh),
  krd: issuerAndSerialNumber(certificates.krd),
  krdPublicKey: rsaPublicKey(certificates.krd),
  nonce,
};
const signs = (data: Uint8Array) => sign('sha256', data, keys.kdh);
const answer = exportKey(transport, signs, randomBytes);
const host = { signer: transport.kdh, crl: kdhCrl };
const open = (token: Uint8Array) => openKeyToken(token, krd, decryptor, { nonces: outstanding(nonce) });

describe('B8', () => {
  test('answers in the form of payShield: attributes, EnvelopedData, signature', () => {
    const { authenticatedAttributes, envelopedData, signature } = answer;
    expect(authenticatedAttributes[0]).toBe(tags.set);
    expect(envelopedData[0]).toBe(tags.sequence);
    expect(signature).toHaveLength(256);
    const types = openDer(authenticatedAttributes, tags.set, 'attributes').rest(tags.sequence, 'attribute');
    // The order of the AWS sample: contentType, randomNonce, header, messageDigest.
    expect(types.map(({ content }) => hex(content.subarray(2, 2 + (content[1] as number))))).toEqual([
      '2A864886F70D010903',
      '2A864886F70D01091903',
      '2A864886F70D010701',
      '2A864886F70D010904',
    ]);
  });

  test('digests the members of EnvelopedData, as the host puts them into the token', () => {
    const { content } = readDer(answer.envelopedData, tags.sequence, 'EnvelopedData');
    const digest = createHash('sha256').update(content).digest();
    expect(hex(answer.authenticatedAttributes)).toContain(hex(digest));
  });

  test('the token opens, is of the dialect aws, and verifies with the KDH certificate', async () => {
    const token = assembleKeyToken({ ...answer, ...host });
    const opened = await open(token);
    expect(opened).toMatchObject({ key: transport.key, header: transport.header });
    expect(parseKeyToken(token, 'aws').nonce).toEqual(nonce);
    expect(() => verifyToken(token, certificates.kdh)).not.toThrow();
    expect(await refusal(() => verifyToken(token, certificates.newKdh))).toBe('TR34_SIGNER_UNKNOWN');
  });

  test.each(['aes-128-cbc', 'des-ede3-cbc'] as const)(
    'content in %s; a TDES content key has odd parity',
    (contentCipher) => {
      const sealed = exportKey({ ...transport, contentCipher }, signs, randomBytes);
      const token = assembleKeyToken({ ...sealed, ...host });
      expect(describeToken(token).contentCipher).toBe(contentCipher);
      const { encryptedKey } = parseKeyToken(token).envelopedData;
      const contentKey = privateDecrypt({ key: keys.krd, oaepHash: 'sha256' }, encryptedKey);
      expect(contentKey).toHaveLength(contentCipher === 'aes-128-cbc' ? 16 : 24);
      const odd = [...contentKey].every((octet) => octet.toString(2).replaceAll('0', '').length % 2 === 1);
      expect(odd || contentCipher === 'aes-128-cbc').toBe(true);
    },
  );

  test('the same random bytes give the same content, whatever the seed of OAEP', () => {
    const fixed = (length: number) => Uint8Array.from({ length }, (_, i) => i + 1);
    const content = () => {
      const sealed = exportKey(transport, signs, fixed);
      return hex(parseKeyToken(assembleKeyToken({ ...sealed, ...host })).envelopedData.encryptedContent);
    };
    expect(content()).toBe(content());
  });

  test('one-pass', () => {
    const signingTime = new Date('2026-11-24T00:00:00Z');
    const onePass = { ...transport, nonce: undefined, signingTime };
    const token = assembleKeyToken({ ...exportKey(onePass, signs, randomBytes), ...host });
    expect(parseKeyToken(token)).toMatchObject({ nonce: undefined, signingTime });
  });

  test('the key is not wiped: it is the caller’s', () => {
    expect(hex(transport.key)).toBe('00112233445566778899AABBCCDDEEFF');
  });
});

describe('assembling', () => {
  test('attributes may come with the tag [0]', async () => {
    const { content } = readDer(answer.authenticatedAttributes, tags.set, 'attributes');
    const token = assembleKeyToken({
      ...answer,
      ...host,
      authenticatedAttributes: encode(contextTag(0), content),
    });
    expect(token).toEqual(assembleKeyToken({ ...answer, ...host }));
  });

  test('takes the form of the content that was digested', async () => {
    const strict = exportKey({ ...transport, dialect: 'strict' }, signs, randomBytes);
    const token = assembleKeyToken({ ...strict, ...host, dialect: 'ibm-cca' });
    expect((await openKeyToken(token, { ...krd, dialect: 'ibm-cca' }, decryptor, 'unchecked')).key).toEqual(
      transport.key,
    );
    const mixed = assembleKeyToken({ ...answer, ...host, dialect: 'ibm-cca' });
    expect(parseKeyToken(mixed, 'ibm-cca').deviations).toContain('content-without-sequence');
  });

  test.each(['authenticatedAttributes', 'envelopedData'] as const)(
    '%s of another answer are refused',
    async (part) => {
      const other = exportKey(transport, signs, randomBytes);
      const parts = { ...answer, ...host, [part]: other[part] };
      expect(await refusal(() => assembleKeyToken(parts))).toBe('TR34_MALFORMED');
    },
  );

  test('a signer that is no IssuerAndSerialNumber, or bytes after a part', async () => {
    const signer = concat(transport.kdh, Uint8Array.of(0));
    expect(await refusal(() => assembleKeyToken({ ...answer, signer }))).toBe('TR34_MALFORMED');
    const authenticatedAttributes = concat(answer.authenticatedAttributes, Uint8Array.of(0));
    expect(await refusal(() => assembleKeyToken({ ...answer, ...host, authenticatedAttributes }))).toBe(
      'TR34_MALFORMED',
    );
  });
});

describe('RSAPublicKey', () => {
  test('with a modulus that has no leading 00, as payShield writes it with encoding 01', () => {
    const reader = openDer(transport.krdPublicKey, tags.sequence, 'RSAPublicKey');
    const modulus = reader.next(tags.integer, 'modulus').content;
    const exponent = reader.next(tags.integer, 'publicExponent').bytes;
    expect(modulus[0]).toBe(0);
    const unsigned = sequence(encode(tags.integer, modulus.subarray(1)), exponent);
    expect(unsigned).toHaveLength(269);
    expect(importRsaPublicKey(unsigned).equals(createPublicKey(keys.krd))).toBe(true);
    expect(importRsaPublicKey(transport.krdPublicKey).equals(createPublicKey(keys.krd))).toBe(true);
  });

  test.each([
    ['of 1024 bits', 'ff'.repeat(128), '010001'],
    ['of no bits', '', ''],
    ['with an exponent of 0', 'ff'.repeat(256), '00'],
    ['with an exponent of 1', 'ff'.repeat(256), '01'],
    ['with an even exponent', 'ff'.repeat(256), '0100'],
    ['with an even modulus', `${'ff'.repeat(255)}fe`, '03'],
    ['with a huge exponent', 'ff'.repeat(512), 'ff'.repeat(500)],
  ])('%s is refused before a key goes out', async (_, modulus, exponent) => {
    const krdPublicKey = sequence(
      encode(tags.integer, bytes(modulus)),
      encode(tags.integer, bytes(exponent)),
    );
    const code = await refusal(() => exportKey({ ...transport, krdPublicKey }, signs, randomBytes));
    expect(code).toBe('TR34_CERTIFICATE_KEY');
  });

  test('without an exponent', async () => {
    expect(await refusal(() => importRsaPublicKey(sequence(bytes('0203010001'))))).toBe('TR34_MALFORMED');
  });
});
