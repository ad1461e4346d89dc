/** Every token of vectors/tr34.json, at every layer. Source: clover-tr34-host, MIT. */
import { createPrivateKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { bytes, clover, cloverTrust, hex, outstanding, pemToDer } from '../test/pki.ts';
import { DerReader, oidOf, readDer, tags } from './der.ts';
import { Reading } from './dialects.ts';
import { decryptContent, decryptContentKey } from './envelope.ts';
import {
  acceptKdhCredential,
  acceptKrdCredential,
  buildKdhCredentialToken,
  buildKrdCredentialToken,
  buildRandomToken,
  describeToken,
  issuerAndSerialNumber,
  localDecryptor,
  openCaRebindToken,
  openCaUnbindToken,
  openKeyToken,
  openRebindToken,
  openUnbindToken,
  parseCredentialToken,
  parseKeyToken,
  parseRandomToken,
  rsaPublicKey,
  verifyToken,
} from './index.ts';
import { parseKeyBlock } from './key-block.ts';
import { buildSignedToken, parseSignedToken } from './signed-data.ts';

type Member = keyof typeof clover.pki;
const certificate = (member: Member) => pemToDer(clover.pki[member].certificatePem);
const privateKey = (member: Member) => createPrivateKey(clover.pki[member].privateKeyPem);
const krd = { certificate: certificate('krd1'), kdhCertificate: certificate('kdh1'), trust: cloverTrust };
const tokensOf = (kind: string) => clover.tokens.filter((token) => token.kind === kind);
const only = (kind: string) => {
  const [token] = tokensOf(kind);
  if (!token) throw new Error(`no vector ${kind}`);
  return { ...token, der: bytes(token.derHex) };
};

describe.each(clover.tokens)('$id', ({ derHex, expected }) => {
  const token = bytes(derHex);

  test('is rebuilt byte for byte from what was parsed', () => {
    expect(hex(buildSignedToken(parseSignedToken(token, new Reading('strict')), 'strict'))).toBe(derHex);
  });

  test('has the signed attributes of the vector, in its order', () => {
    const { signer } = parseSignedToken(token, new Reading('strict'));
    const attributes = new DerReader(signer?.attributeBytes ?? new Uint8Array(0), 'signedAttrs');
    const types = attributes.rest(tags.sequence, 'attribute').map(({ content }) => {
      return oidOf(new DerReader(content, 'attribute').any('type'));
    });
    expect(types).toEqual(expected.signedAttributes ?? []);
    expect(signer?.attributes?.nonce && hex(signer.attributes.nonce)).toBe(expected.nonce);
  });

  test('is described as strict', () => {
    expect(describeToken(token)).toMatchObject({ dialect: 'strict', deviations: [] });
  });
});

describe.each(tokensOf('twoPassKeyToken'))('$id', ({ derHex, randomTokenDerHex, expected }) => {
  const token = bytes(derHex);
  const randomToken = bytes(randomTokenDerHex as string);
  const nonce = parseRandomToken(randomToken);

  test('RT_KRD carries the nonce and is rebuilt byte for byte', () => {
    expect(hex(nonce)).toBe(expected.nonce);
    expect(buildRandomToken(nonce)).toEqual(randomToken);
  });

  test('names signer, recipient, header', () => {
    const parsed = parseKeyToken(token);
    expect(parsed.signer).toEqual(issuerAndSerialNumber(certificate('kdh1')));
    expect(parsed.envelopedData.recipient).toEqual(issuerAndSerialNumber(certificate('krd1')));
    expect(parsed.header).toBe(expected.keyBlockHeader);
    expect(() => verifyToken(token, certificate('kdh1'))).not.toThrow();
  });

  test('the envelope opens layer by layer', () => {
    const { envelopedData } = parseKeyToken(token);
    const contentKey = decryptContentKey(envelopedData.encryptedKey, privateKey('krd1'));
    expect(hex(contentKey)).toBe(expected.contentEncryptionKey);
    const content = decryptContent(envelopedData, contentKey);
    const keyBlock = content.subarray(0, expected.keyBlockDerHex.length / 2);
    expect(hex(keyBlock)).toBe(expected.keyBlockDerHex);
    const block = parseKeyBlock(content, 16, new Reading('strict'));
    expect(hex(block.key)).toBe(expected.clearKey);
    expect(block.header).toBe(expected.keyBlockHeader);
  });

  test('opens, once', async () => {
    const nonces = outstanding(nonce);
    const open = () => openKeyToken(token, krd, localDecryptor(privateKey('krd1')), { nonces });
    const opened = await open();
    expect(hex(opened.key)).toBe(expected.clearKey);
    expect(opened).toMatchObject({
      header: expected.keyBlockHeader,
      algorithm: expected.keyBlockHeader[7],
      revocationChecked: false,
      dialect: 'strict',
      deviations: ['key-block-version-1', 'key-block-header-as-attribute'],
    });
    await expect(open()).rejects.toMatchObject({ code: 'TR34_NONCE_REFUSED' });
  });
});

test('clover-kdhCredentialToken binds the KRD, by the CRL inside, and is rebuilt byte for byte', () => {
  const { der, expected } = only('kdhCredentialToken');
  const accepted = acceptKdhCredential(der, { ...cloverTrust, revocation: { whenAbsent: 'refuse' } });
  expect(accepted.certificate.der).toEqual(certificate('kdh1'));
  expect(accepted.revocationChecked).toBe(true);
  expect(accepted.crlsSeen).toMatchObject([{ thisUpdate: new Date(expected.crl.thisUpdate) }]);
  const { crls } = describeToken(der);
  expect(crls).toEqual([
    {
      issuer: clover.pki.kdhCa.subject,
      thisUpdate: new Date(expected.crl.thisUpdate).toISOString(),
      nextUpdate: new Date(expected.crl.nextUpdate).toISOString(),
      revoked: expected.crl.revokedSerials,
    },
  ]);
  expect(
    buildKdhCredentialToken(certificate('kdh1'), parseCredentialToken(der).crls[0] as Uint8Array),
  ).toEqual(der);
});

test('clover-krdCredentialToken is accepted by the KDH, and is rebuilt byte for byte', () => {
  const { der } = only('krdCredentialToken');
  expect(acceptKrdCredential(der, cloverTrust).certificate.der).toEqual(certificate('krd1'));
  expect(buildKrdCredentialToken(certificate('krd1'))).toEqual(der);
});

test('clover-kdhUnbindToken unbinds', async () => {
  const { der, expected } = only('kdhUnbindToken');
  await openUnbindToken(der, krd, outstanding(bytes(expected.nonce)));
  expect(describeToken(der)).toMatchObject({
    kind: 'UBT_KDH',
    krd: { serialNumber: clover.pki.krd1.serial },
  });
});

test('clover-kdhRebindToken rebinds', async () => {
  const { der, expected } = only('kdhRebindToken');
  const { newKdh } = await openRebindToken(der, krd, outstanding(bytes(expected.nonce)));
  expect(newKdh.certificate.der).toEqual(certificate(expected.newKdh as Member));
});

test('clover-caUnbindToken unbinds', () => {
  const { der } = only('caUnbindToken');
  openCaUnbindToken(der, krd, certificate('krdCa'));
  expect(describeToken(der)).toMatchObject({ kind: 'UBT_CA', kdh: { serialNumber: clover.pki.kdh1.serial } });
});

test('clover-caRebindToken rebinds', () => {
  const { der, expected } = only('caRebindToken');
  const { newKdh } = openCaRebindToken(der, krd, certificate('krdCa'));
  expect(newKdh.certificate.der).toEqual(certificate(expected.newKdh as Member));
});

test('identifiers in the tokens are those of the certificates', () => {
  for (const { derHex, expected } of clover.tokens.filter((token) => token.expected.identifiersDerHex)) {
    const identifiers = expected.identifiers.map((member) =>
      hex(issuerAndSerialNumber(certificate(member as Member))),
    );
    expect(identifiers.join('')).toBe(expected.identifiersDerHex);
    expect(derHex).toContain(expected.identifiersDerHex);
  }
});

test('RSAPublicKey of a certificate is that of its private key', () => {
  const { n } = privateKey('krd1').export({ format: 'jwk' });
  const modulus = Buffer.from(rsaPublicKey(certificate('krd1'))).toString('hex');
  expect(modulus).toContain(Buffer.from(n as string, 'base64url').toString('hex'));
  expect(() => readDer(rsaPublicKey(certificate('krd1')), tags.sequence, 'RSAPublicKey')).not.toThrow();
});
