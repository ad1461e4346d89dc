import { createPublicKey, type KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Attributes, CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import fc from 'fast-check';
import { ecKey, rsaKey, withFlippedBits } from '../test/sample-pki.ts';
import { commonNameOnly } from './names.ts';
import type { Purpose } from './purposes.ts';
import { createCertificationRequest, readCertificationRequest } from './request.ts';
import { localSigner } from './signer.ts';

const serial = 'SIM-000001';
const key = ecKey();
let pem: string;
let der: Uint8Array;
beforeAll(async () => {
  pem = await createCertificationRequest({ serial, key });
  der = derOf(pem);
});

function derOf(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(/-----.*-----|\s/g, ''), 'base64');
}

function spki(privateKey: KeyObject): Uint8Array {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
}

/** The request changed by `change` and signed anew with `signingKey`. */
async function resigned(
  change: (request: CertificationRequest) => void,
  signingKey = key,
): Promise<Uint8Array> {
  const request = AsnConvert.parse(der, CertificationRequest);
  change(request);
  delete request.certificationRequestInfoRaw;
  const tbs = new Uint8Array(AsnConvert.serialize(request.certificationRequestInfo));
  request.signature = new Uint8Array(await localSigner(signingKey).sign(tbs)).buffer;
  return new Uint8Array(AsnConvert.serialize(request));
}

const refused = (code: string) => expect.objectContaining({ name: 'PkiError', code });

describe('round trip', () => {
  test.each([
    ['tls-client', ecKey()],
    ['tls-client', ecKey('P-384')],
    ['result-signing', ecKey()],
    ['krd-encryption', rsaKey()],
  ] as const)('a request for %s', async (purpose, privateKey) => {
    const request = await createCertificationRequest({ serial, key: privateKey });
    expect(readCertificationRequest(request, purpose)).toEqual({ serial, publicKey: spki(privateKey) });
    expect(readCertificationRequest(derOf(request), purpose).serial).toBe(serial);
  });

  test('PEM of RFC 7468: lines of 64, and the older label', () => {
    expect(pem).toMatch(
      /^-----BEGIN CERTIFICATE REQUEST-----\n(?:[A-Za-z0-9+/]{64}\n)+[A-Za-z0-9+/=]{1,64}\n-----END CERTIFICATE REQUEST-----\n$/,
    );
    const older = pem.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST');
    expect(readCertificationRequest(older, 'tls-client').serial).toBe(serial);
  });
});

describe('refusals', () => {
  const read =
    (input: string | Uint8Array, purpose: Purpose = 'tls-client') =>
    () =>
      readCertificationRequest(input, purpose);

  test('the wrong kind of key for the purpose', async () => {
    expect(read(pem, 'krd-encryption')).toThrow(refused('PKI_KEY_REFUSED'));
    const p384 = await createCertificationRequest({ serial, key: ecKey('P-384') });
    expect(read(p384, 'result-signing')).toThrow(refused('PKI_KEY_REFUSED'));
  });

  test.each([
    ['RSA 1024', () => rsaKey(1024)],
    ['RSA with exponent 3', () => rsaKey(2048, 3)],
    ['P-521', () => ecKey('P-521')],
    ['secp256k1', () => ecKey('secp256k1')],
  ])('a weak or foreign key: %s', async (_name, newKey) => {
    const weak = spki(newKey());
    const request = await resigned(({ certificationRequestInfo }) => {
      certificationRequestInfo.subjectPKInfo = AsnConvert.parse(weak, SubjectPublicKeyInfo);
    });
    expect(read(request)).toThrow(refused('PKI_KEY_REFUSED'));
  });

  test('a key that the requester does not have', async () => {
    const request = await resigned(() => undefined, ecKey());
    expect(read(request)).toThrow(refused('PKI_REQUEST_SIGNATURE'));
  });

  test('a signature by an algorithm of another kind of key', async () => {
    const request = await resigned(({ signatureAlgorithm }) => {
      signatureAlgorithm.algorithm = '1.2.840.10045.4.3.1'; // ecdsa-with-SHA224
    });
    expect(read(request)).toThrow(refused('PKI_REQUEST_SIGNATURE'));
  });

  test.each([
    [
      'the common name of another terminal',
      (request: CertificationRequest) => {
        request.certificationRequestInfo.subject = commonNameOnly('SIM-000002');
      },
    ],
    [
      'two common names',
      (request: CertificationRequest) => {
        request.certificationRequestInfo.subject.push(...commonNameOnly(serial));
      },
    ],
    [
      'no name at all',
      (request: CertificationRequest) => {
        request.certificationRequestInfo.subject.length = 0;
      },
    ],
    [
      'no URI',
      (request: CertificationRequest) => {
        request.certificationRequestInfo.attributes = new Attributes();
      },
    ],
  ])('%s', async (_name, change) => {
    expect(read(await resigned(change))).toThrow(refused('PKI_REQUEST_NAME'));
  });

  test('a serial number that is none', async () => {
    await expect(createCertificationRequest({ serial: 'sim 1', key })).rejects.toEqual(
      refused('PKI_NAME_REFUSED'),
    );
  });

  test('text around the request, two requests, bytes after it, every shorter length', () => {
    expect(read(`x${pem}`)).toThrow(refused('PKI_MALFORMED'));
    expect(read(pem + pem)).toThrow(refused('PKI_MALFORMED'));
    expect(read(Buffer.concat([der, Buffer.of(0)]))).toThrow(refused('PKI_MALFORMED'));
    for (let length = 0; length < der.length; length++) {
      expect(read(der.subarray(0, length))).toThrow(refused('PKI_MALFORMED'));
    }
  });

  test('a bit flipped in any byte', () => {
    for (const flipped of withFlippedBits(der))
      expect(read(flipped)).toThrow(expect.objectContaining({ name: 'PkiError' }));
  });

  test('any bytes and any text give a request or a PkiError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string()), (input) => {
        expect(read(input)).toThrow(refused('PKI_MALFORMED'));
      }),
    );
  });
});
