import { createHash, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { GeneralName } from '@peculiar/asn1-x509';
import fc from 'fast-check';
import { resigned, type SamplePki, samplePki, terminalCertificate, yesterday } from '../test/sample-pki.ts';
import { certificatePem, deviceSerialOf, fingerprint, readCertificate } from './certificate.ts';
import { readCrl } from './crl.ts';
import { subjectAltName } from './extensions.ts';
import { issueCertificate } from './issue.ts';
import { createTlsKey, spkiFingerprint } from './keys.ts';
import { deviceUri } from './names.ts';

const { publicKey } = createTlsKey();
let pki: SamplePki;
let der: Uint8Array;
beforeAll(async () => {
  pki = await samplePki();
  der = await terminalCertificate(pki.terminalCa, publicKey);
});

const malformed = expect.objectContaining({ name: 'PkiError', code: 'PKI_MALFORMED' });

test('what a certificate says, as OpenSSL says it', () => {
  const certificate = readCertificate(der);
  const openssl = new X509Certificate(der);
  expect(certificate.serialNumber).toBe(openssl.serialNumber);
  expect(certificate.commonName).toBe('SIM-000001');
  expect(certificate.notBefore).toEqual(yesterday);
  expect(certificate.notAfter).toEqual(new Date(openssl.validTo));
  expect(certificate.publicKey).toEqual(publicKey);
  expect(Buffer.from(certificate.der)).toEqual(Buffer.from(der));
});

test('PEM, DER and what OpenSSL has read are the same certificate', () => {
  const pem = certificatePem(der);
  const openssl = new X509Certificate(der);
  expect(pem).toBe(openssl.toString());
  expect([fingerprint(pem), fingerprint(openssl)]).toEqual([fingerprint(der), fingerprint(der)]);
  expect(readCertificate(openssl).tbs).toEqual(readCertificate(der).tbs);
  expect(readCertificate(readCertificate(pem))).toBeInstanceOf(Object);
});

test('fingerprints are SHA-256 in upper-case hex', () => {
  expect(fingerprint(der)).toBe(new X509Certificate(der).fingerprint256.replaceAll(':', ''));
  expect(spkiFingerprint(publicKey)).toBe(createHash('sha256').update(publicKey).digest('hex').toUpperCase());
});

describe('deviceSerialOf', () => {
  test('the serial number in the URI', () => {
    expect(deviceSerialOf(der)).toBe('SIM-000001');
    expect(deviceUri('SIM-000001')).toBe('urn:kdh:device:SIM-000001');
  });

  test('none in certificates of CAs and servers', async () => {
    expect(deviceSerialOf(pki.terminalCa.certificate)).toBeUndefined();
    const request = {
      issuer: pki.kdhCa,
      publicKey,
      commonName: 'SIM-000001',
      hosts: ['SIM-000001'],
      notBefore: yesterday,
    };
    expect(deviceSerialOf(await issueCertificate('gateway-tls', request))).toBeUndefined();
  });

  test.each([
    [['urn:kdh:device:SIM-000001', 'urn:kdh:device:SIM-000002']],
    [['urn:kdh:device:SIM-000001', 'https://example.org']],
    [['urn:kdh:device:']],
    [['urn:kdh:device:sim-1']],
    [['URN:KDH:DEVICE:SIM-000001']],
    [['urn:kdh:terminal:SIM-000001']],
  ])('none from the URIs %j', async (uris) => {
    const names = uris.map((uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier }));
    const certificate = await resigned(der, pki.terminalCa.signer, (tbs) => {
      tbs.extensions!.splice(
        tbs.extensions!.findIndex(({ extnID }) => extnID === '2.5.29.17'),
        1,
        subjectAltName(names),
      );
    });
    expect(deviceSerialOf(certificate)).toBeUndefined();
  });
});

describe('malformed input', () => {
  test('every shorter length, and bytes after the end', () => {
    for (let length = 0; length < der.length; length++) {
      expect(() => readCertificate(der.subarray(0, length))).toThrow(malformed);
    }
    expect(() => readCertificate(Buffer.concat([der, Buffer.of(0)]))).toThrow(malformed);
  });

  test('any bytes and any text give PKI_MALFORMED and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string()), (input) => {
        expect(() => readCertificate(input)).toThrow(malformed);
        if (typeof input !== 'string') expect(() => readCrl(input)).toThrow(malformed);
      }),
    );
  });
});
