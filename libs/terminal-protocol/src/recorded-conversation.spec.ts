import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { kcvAes, kcvTdes } from '@openkdh/block-ciphers';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { unwrap } from '@openkdh/tr31';
import {
  acceptKdhCredential,
  acceptKrdCredential,
  localDecryptor,
  openKeyToken,
  parseCertificate,
  parseRandomToken,
} from '@openkdh/tr34';
import { certificates, frame, keys, loadKbpk, loadKeys } from '../test/conversation.ts';

/** What docs/protocol.md says of tokens and key blocks, held against the recording with the libraries of those standards. */

const at = new Date('2026-11-24T06:00:00Z');
const der = (name: string) => new Uint8Array(new X509Certificate(certificates[name]!).raw);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').toUpperCase();
const token = (type: string) => Buffer.from(frame(type).b['token'] as string, 'base64');
const key = (name: string) => Buffer.from(keys[name]!, 'hex');

describe('TR-34 tokens (section 7)', () => {
  const kdhTrust = { anchors: [der('kdhCa')], revocation: { whenAbsent: 'refuse' as const }, at };

  test('CT_KRD carries the terminal certificate, good under the terminal CA', () => {
    const trust = { anchors: [der('terminalCa')], revocation: { whenAbsent: 'accept' as const }, at };
    expect(acceptKrdCredential(token('BIND_REQ'), trust).token.certificate).toEqual(
      der('terminalEncryption'),
    );
  });

  test('CT_KDH carries the KDH certificate and a current CRL', () => {
    const { token: credential, revocationChecked } = acceptKdhCredential(token('BIND_CHALLENGE'), kdhTrust);
    expect(credential.certificate).toEqual(der('kdhSigning'));
    expect(revocationChecked).toBe(true);
  });

  test('BIND names both certificates', () => {
    const print = (name: string) =>
      new X509Certificate(certificates[name]!).fingerprint256.replaceAll(':', '');
    expect(frame('BIND').b).toEqual({
      kdhCertificateFingerprint: print('kdhSigning'),
      krdCertificateFingerprint: print('terminalEncryption'),
    });
  });

  test('RT_KRD is the nonce, and KT_KDH opens to the KBPK for it', async () => {
    const nonce = parseRandomToken(token('RANDOM'));
    expect(hex(nonce)).toBe(keys['terminalNonce']);
    const opened = await openKeyToken(
      Buffer.from(loadKbpk.token, 'base64'),
      {
        certificate: der('terminalEncryption'),
        kdhCertificate: parseCertificate(der('kdhSigning')).der,
        trust: kdhTrust,
      },
      localDecryptor(createPrivateKey(keys['terminalEncryptionKeyPem']!)),
      { nonces: { take: (shown) => Buffer.from(shown).equals(nonce) } },
    );
    expect(hex(opened.key)).toBe(keys['kbpkAes']);
    expect(opened).toMatchObject({ usage: 'K1', algorithm: 'A', modeOfUse: 'B' });
    expect(loadKbpk.kcv).toBe(hex(kcvAes(opened.key)));
  });
});

describe('key blocks (section 8)', () => {
  const [kbpk, pin, data] = loadKeys.plan as [
    (typeof loadKeys.plan)[0],
    (typeof loadKeys.plan)[0],
    (typeof loadKeys.plan)[0],
  ];

  test('the TDES KBPK is a version D block under the AES KBPK', () => {
    const { key: opened, header } = unwrap(key('kbpkAes'), kbpk.tr31);
    expect(hex(opened)).toBe(keys['kbpkTdes']);
    expect(header).toMatchObject({ versionId: 'D', keyUsage: 'K1', algorithm: 'T', modeOfUse: 'B' });
    expect(kbpk).toMatchObject({ slot: 'KBPK-TDES', algorithm: 'T3', kcv: hex(kcvTdes(opened)) });
  });

  test('PIN: the initial key of ANSI X9.24-3:2017, with its id in IK', () => {
    const { key: opened, header } = unwrap(key('kbpkAes'), pin.tr31);
    const id = pin.ksn!.slice(0, 16);
    const bdk = Buffer.from('FEDCBA9876543210F1F1F1F1F1F1F1F1', 'hex');
    expect(hex(opened)).toBe(hex(deriveAesInitialKey(bdk, Buffer.from(id, 'hex'))));
    expect(hex(opened)).toBe(keys['pin']);
    expect(header).toMatchObject({
      versionId: 'D',
      keyUsage: 'B1',
      algorithm: 'A',
      modeOfUse: 'X',
      exportability: 'N',
    });
    expect(header.optionalBlocks).toContainEqual({ id: 'IK', data: id });
    expect(pin.ksn).toBe(`${id}00000000`);
    expect(pin.kcv).toBe(hex(kcvAes(opened)));
  });

  test('DATA: the initial key of ANSI X9.24-1:2009, with its KSN in KS', () => {
    const { key: opened, header } = unwrap(key('kbpkTdes'), data.tr31);
    const bdk = Buffer.from('0123456789ABCDEFFEDCBA9876543210', 'hex');
    expect(hex(opened)).toBe(hex(deriveTdesInitialKey(bdk, Buffer.from(data.ksn!, 'hex'))));
    expect(hex(opened)).toBe(keys['data']);
    expect(header).toMatchObject({
      versionId: 'B',
      keyUsage: 'B1',
      algorithm: 'T',
      modeOfUse: 'X',
      exportability: 'N',
    });
    expect(header.optionalBlocks).toContainEqual({ id: 'KS', data: data.ksn });
    expect(data.kcv).toBe(hex(kcvTdes(opened)));
  });
});

test('the result signing key is the one of RFC 6979, A.2.5, and certified', () => {
  const { x, y } = createPublicKey(keys['terminalSigningPublicKeyPem']!).export({ format: 'jwk' });
  expect(hex(Buffer.from(x!, 'base64url'))).toBe(
    '60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6',
  );
  expect(hex(Buffer.from(y!, 'base64url'))).toBe(
    '7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299',
  );
  const certificate = new X509Certificate(certificates['terminalSigning']!);
  expect(certificate.checkPrivateKey(createPrivateKey(keys['terminalSigningKeyPem']!))).toBe(true);
});
