/** The structures of a token, field by field: RFC 5652, 5 and 6, and the key block of Annex D. */
import { describe, expect, test } from '@jest/globals';
import { bytes, certificates, hex, kdhCrl, nonce, refusal } from '../test/pki.ts';
import { headerAttribute, nonceAttribute, parseAttributes } from './attributes.ts';
import {
  concat,
  contextTag,
  encode,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  smallInteger,
  tags,
} from './der.ts';
import { Reading } from './dialects.ts';
import { parseEnvelopedData } from './enveloped-data.ts';
import { describeToken, issuerAndSerialNumber, parseCredentialToken, parseRandomToken } from './index.ts';
import { parseKeyBlock } from './key-block.ts';
import { oids } from './oids.ts';
import { parseSignedData } from './signed-data.ts';

const identifier = issuerAndSerialNumber(certificates.kdh);
const algorithm = (id: string, ...parameters: Uint8Array[]) => sequence(oid(id), ...parameters);
const explicit = (number: number, content: Uint8Array) => encode(contextTag(number), content);
const sha1 = '1.3.14.3.2.26';

describe('EnvelopedData, RFC 5652, 6.1', () => {
  const hash = explicit(0, algorithm(oids.sha256, nullValue));
  const mgf = explicit(1, algorithm(oids.mgf1, algorithm(oids.sha256)));
  const label = (octets: string, id: string = oids.pSpecified) =>
    explicit(2, algorithm(id, octetString(bytes(octets))));
  const good = {
    version: smallInteger(0),
    recipientVersion: smallInteger(0),
    rid: identifier,
    keyEncryption: algorithm(oids.rsaesOaep, sequence(hash, mgf)),
    contentType: oid(oids.data),
    cipher: algorithm(oids.aes128Cbc, octetString(new Uint8Array(16))),
    content: encode(0x80, new Uint8Array(16)),
    another: new Uint8Array(0),
  };
  const parse = (changes: Partial<typeof good>) => {
    const e = { ...good, ...changes };
    const recipient = sequence(e.recipientVersion, e.rid, e.keyEncryption, octetString(new Uint8Array(256)));
    const info = sequence(e.contentType, e.cipher, e.content);
    const members = concat(e.version, encode(tags.set, recipient, e.another), info);
    return refusal(() => parseEnvelopedData(members, new Reading('strict')));
  };
  const oaep = (...parameters: Uint8Array[]) => ({
    keyEncryption: algorithm(oids.rsaesOaep, sequence(...parameters)),
  });
  const aes = (iv: number) => ({ cipher: algorithm(oids.aes128Cbc, octetString(new Uint8Array(iv))) });

  test.each([
    ['as it should be', {}, 'accepted'],
    ['with an empty label', oaep(hash, mgf, label('')), 'accepted'],
    ['with a label', oaep(hash, mgf, label('00')), 'TR34_ALGORITHM_UNSUPPORTED'],
    ['with another source of the label', oaep(hash, mgf, label('', oids.mgf1)), 'TR34_ALGORITHM_UNSUPPORTED'],
    ['with SHA-1', oaep(explicit(0, algorithm(sha1)), mgf), 'TR34_ALGORITHM_UNSUPPORTED'],
    ['with the default hash', oaep(mgf), 'TR34_MALFORMED'],
    [
      'with another MGF',
      oaep(hash, explicit(1, algorithm(oids.data, algorithm(oids.sha256)))),
      'TR34_ALGORITHM_UNSUPPORTED',
    ],
    [
      'with MGF1-SHA-1',
      oaep(hash, explicit(1, algorithm(oids.mgf1, algorithm(sha1)))),
      'TR34_ALGORITHM_UNSUPPORTED',
    ],
    [
      'with a parameter of SHA-256',
      oaep(explicit(0, algorithm(oids.sha256, smallInteger(0))), mgf),
      'TR34_MALFORMED',
    ],
    ['with an OAEP parameter too many', oaep(hash, mgf, label(''), label('')), 'TR34_MALFORMED'],
    ['without OAEP parameters', { keyEncryption: algorithm(oids.rsaesOaep) }, 'TR34_MALFORMED'],
    [
      'with PKCS#1 v1.5',
      { keyEncryption: algorithm(oids.rsaEncryption, nullValue) },
      'TR34_ALGORITHM_UNSUPPORTED',
    ],
    ['of version 2', { version: smallInteger(2) }, 'TR34_MALFORMED'],
    ['with a recipient of version 2', { recipientVersion: smallInteger(2) }, 'TR34_MALFORMED'],
    ['with a recipient by key identifier', { rid: encode(0x80, new Uint8Array(20)) }, 'TR34_MALFORMED'],
    ['with two recipients', { another: nullValue }, 'TR34_MALFORMED'],
    ['with another content', { contentType: oid(oids.signedData) }, 'TR34_MALFORMED'],
    [
      'in AES-256',
      { cipher: algorithm('2.16.840.1.101.3.4.1.42', octetString(nonce)) },
      'TR34_ALGORITHM_UNSUPPORTED',
    ],
    ['with an IV of 15 bytes', aes(15), 'TR34_MALFORMED'],
    ['with an IV of 17 bytes', aes(17), 'TR34_MALFORMED'],
    ['with an IV of 8 bytes', aes(8), 'TR34_DIALECT'],
    ['without content', { content: new Uint8Array(0) }, 'TR34_MALFORMED'],
  ])('%s', async (_, changes, expected) => {
    expect(await parse(changes)).toBe(expected);
  });

  test('NULL with a length is no NULL', async () => {
    const parameters = explicit(0, algorithm(oids.sha256, bytes('050100')));
    expect(await parse(oaep(parameters, mgf))).toBe('TR34_ALGORITHM_UNSUPPORTED');
  });
});

describe('SignedData, RFC 5652, 5.1', () => {
  const sha256 = algorithm(oids.sha256);
  const signerInfo = (changes: {
    version?: number;
    sid?: Uint8Array;
    digest?: Uint8Array;
    signature?: Uint8Array;
    more?: Uint8Array;
  }) =>
    sequence(
      smallInteger(changes.version ?? 1),
      changes.sid ?? identifier,
      changes.digest ?? sha256,
      changes.signature ?? algorithm(oids.sha256WithRsaEncryption, nullValue),
      octetString(new Uint8Array(256)),
      changes.more ?? new Uint8Array(0),
    );
  const good = {
    version: smallInteger(1),
    digests: setOf(sha256),
    content: sequence(oid(oids.data), explicit(0, octetString(identifier))),
    certificates: new Uint8Array(0),
    signers: setOf(signerInfo({})),
    more: new Uint8Array(0),
  };
  const parse = (changes: Partial<typeof good>) => {
    const s = { ...good, ...changes };
    const members = concat(s.version, s.digests, s.content, s.certificates, s.signers, s.more);
    return refusal(() => parseSignedData(members, new Reading('strict')));
  };
  const signer = (changes: Parameters<typeof signerInfo>[0]) => ({ signers: setOf(signerInfo(changes)) });
  const enveloped = sequence(oid(oids.envelopedData), explicit(0, octetString(identifier)));

  test.each([
    ['as it should be', {}, 'accepted'],
    ['with NULL after SHA-256', { digests: setOf(algorithm(oids.sha256, nullValue)) }, 'accepted'],
    ['with rsaEncryption', signer({ signature: algorithm(oids.rsaEncryption, nullValue) }), 'accepted'],
    ['of version 3 over id-data', { version: smallInteger(3) }, 'TR34_MALFORMED'],
    ['of version 2', { version: smallInteger(2), content: enveloped }, 'TR34_MALFORMED'],
    ['of version 1 over another content', { content: enveloped }, 'TR34_DIALECT'],
    ['of version 3 over another content', { version: smallInteger(3), content: enveloped }, 'accepted'],
    ['with SHA-1', { digests: setOf(algorithm(sha1)) }, 'TR34_ALGORITHM_UNSUPPORTED'],
    ['with a signer with SHA-1', signer({ digest: algorithm(sha1) }), 'TR34_ALGORITHM_UNSUPPORTED'],
    [
      'with SHA-384 in the signature',
      signer({ signature: algorithm(oids.sha384WithRsaEncryption) }),
      'TR34_ALGORITHM_UNSUPPORTED',
    ],
    ['with a signer of version 3', signer({ version: 3 }), 'TR34_MALFORMED'],
    ['with a signer by key identifier', signer({ sid: encode(0x80, new Uint8Array(20)) }), 'TR34_MALFORMED'],
    [
      'with unsigned attributes',
      signer({ more: encode(contextTag(1), nonceAttribute(nonce)) }),
      'TR34_MALFORMED',
    ],
    ['with two signers', { signers: setOf(signerInfo({}), signerInfo({})) }, 'TR34_MALFORMED'],
    ['with a signer and no digest algorithm', { digests: setOf() }, 'TR34_MALFORMED'],
    ['with an attribute certificate', { certificates: explicit(0, encode(contextTag(1))) }, 'TR34_MALFORMED'],
    ['with something after the signers', { more: nullValue }, 'TR34_MALFORMED'],
    ['with the CRL after the signers', { more: explicit(1, kdhCrl) }, 'TR34_DIALECT'],
  ])('%s', async (_, changes, expected) => {
    expect(await parse(changes)).toBe(expected);
  });

  test('a credential token has neither content nor signer', async () => {
    const token = (members: Uint8Array) => sequence(oid(oids.signedData), explicit(0, sequence(members)));
    const certificate = explicit(0, certificates.krd);
    const empty = sequence(oid(oids.data));
    const parts = (content: Uint8Array, digests: Uint8Array, signers: Uint8Array) =>
      token(concat(smallInteger(1), digests, content, certificate, signers));
    const parse = (der: Uint8Array) => refusal(() => parseCredentialToken(der));
    expect(await parse(parts(empty, setOf(), setOf()))).toBe('accepted');
    expect(await parse(parts(good.content, setOf(), setOf()))).toBe('TR34_MALFORMED');
    expect(await parse(parts(empty, good.digests, good.signers))).toBe('TR34_MALFORMED');
    expect(await refusal(() => describeToken(parts(good.content, setOf(), setOf())))).toBe('TR34_MALFORMED');
  });
});

describe('signed attributes, RFC 5652, 5.3', () => {
  const attribute = (type: string, ...values: Uint8Array[]) => sequence(oid(type), setOf(...values));
  const contentType = attribute(oids.contentType, oid(oids.data));
  const messageDigest = attribute(oids.messageDigest, octetString(new Uint8Array(32)));
  const parse = (...attributes: Uint8Array[]) =>
    refusal(() => parseAttributes(concat(...attributes), new Reading('ibm-cca')));

  test.each([
    ['as they should be', [contentType, messageDigest], 'accepted'],
    [
      'with one that is unknown',
      [contentType, attribute(sha1, nullValue, nullValue), messageDigest],
      'accepted',
    ],
    ['without a content type', [messageDigest], 'TR34_MALFORMED'],
    ['without a digest', [contentType], 'TR34_MALFORMED'],
    [
      'with two nonces',
      [contentType, nonceAttribute(nonce), nonceAttribute(nonce), messageDigest],
      'TR34_MALFORMED',
    ],
    [
      'with two values',
      [contentType, attribute(oids.messageDigest, octetString(nonce), octetString(nonce))],
      'TR34_MALFORMED',
    ],
    ['with no value', [attribute(oids.contentType), messageDigest], 'TR34_MALFORMED'],
    [
      'with a digest of another type',
      [contentType, attribute(oids.messageDigest, nullValue)],
      'TR34_MALFORMED',
    ],
    [
      'with a header of another type',
      [contentType, attribute(oids.data, nullValue), messageDigest],
      'TR34_MALFORMED',
    ],
    [
      'with a short header',
      [contentType, attribute(oids.data, octetString(new Uint8Array(15))), messageDigest],
      'TR34_HEADER_INVALID',
    ],
    [
      'with a short nonce',
      [contentType, attribute(oids.randomNonce, octetString(nonce.subarray(0, 7))), messageDigest],
      'TR34_NONCE_LENGTH',
    ],
    [
      'with a time that is none',
      [contentType, attribute(oids.signingTime, nullValue), messageDigest],
      'TR34_MALFORMED',
    ],
  ])('%s', async (_, attributes, expected) => {
    expect(await parse(...(attributes as Uint8Array[]))).toBe(expected);
  });
});

describe('key block, Annex D', () => {
  const header = octetString(Buffer.from('D0000K1AD00N0000'));
  const good = {
    version: smallInteger(0),
    kdh: identifier,
    key: octetString(nonce),
    header,
    more: new Uint8Array(0),
  };
  const parse = (changes: Partial<typeof good>, padding: string) => {
    const b = { ...good, ...changes };
    const plaintext = concat(sequence(b.version, b.kdh, b.key, b.header, b.more), bytes(padding));
    return refusal(() => parseKeyBlock(plaintext, 8, new Reading('strict')));
  };

  test.each([
    ['as it should be', {}, '0202', 'accepted'],
    ['of version 1', { version: smallInteger(1) }, '01', 'accepted'],
    ['of version 2', { version: smallInteger(2) }, '01', 'TR34_MALFORMED'],
    ['with the header as attribute', { header: headerAttribute('D0000K1AD00N0000') }, '01', 'accepted'],
    ['with the header as another attribute', { header: nonceAttribute(nonce) }, '01', 'TR34_MALFORMED'],
    ['without a header', { header: new Uint8Array(0) }, '01', 'TR34_MALFORMED'],
    ['with a field too many', { more: nullValue }, '01', 'TR34_MALFORMED'],
    ['with a block of padding', {}, '08'.repeat(8), 'accepted'],
    ['with more padding than a block', {}, '09'.repeat(9), 'TR34_MALFORMED'],
    ['with padding of 0', {}, '00', 'TR34_MALFORMED'],
    ['with padding that differs', {}, '0302' + '03', 'TR34_MALFORMED'],
    ['with padding that is short', {}, '0303', 'TR34_MALFORMED'],
    ['without padding', {}, '', 'TR34_DIALECT'],
  ])('%s', async (_, changes, padding, expected) => {
    expect(await parse(changes, padding)).toBe(expected);
  });
});

describe('RT_KRD, B.12', () => {
  test.each([0, 7, 8, 12, 16, 17])('a nonce of %d bytes', async (length) => {
    const token = sequence(oid(oids.randomNonce), setOf(octetString(new Uint8Array(length))));
    const expected = length >= 8 && length <= 16 ? 'accepted' : 'TR34_NONCE_LENGTH';
    expect(await refusal(() => parseRandomToken(token))).toBe(expected);
  });

  test('is an attribute with one value', async () => {
    const token = (...values: Uint8Array[]) => sequence(oid(oids.randomNonce), setOf(...values));
    expect(hex(parseRandomToken(nonceAttribute(nonce)))).toBe(hex(nonce));
    for (const wrong of [
      token(),
      token(octetString(nonce), octetString(nonce)),
      headerAttribute('D0000K1AD00N0000'),
    ]) {
      expect(await refusal(() => parseRandomToken(wrong))).toBe('TR34_MALFORMED');
    }
  });
});
