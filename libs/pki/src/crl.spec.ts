import { beforeAll, describe, expect, test } from '@jest/globals';
import { AsnConvert } from '@peculiar/asn1-schema';
import { CertificateList, CRLNumber, CRLReason } from '@peculiar/asn1-x509';
import fc from 'fast-check';
import { ecKey, type SamplePki, samplePki, tomorrow, yesterday } from '../test/sample-pki.ts';
import { issueCrl, type RevocationReason, type RevokedEntry, readCrl, revocationReasons } from './crl.ts';
import { readExtension } from './extensions.ts';
import { readPublicKey } from './keys.ts';
import { localSigner } from './signer.ts';

let pki: SamplePki;
beforeAll(async () => {
  pki = await samplePki();
});

function issue(revoked: RevokedEntry[], number = 1): Promise<Uint8Array> {
  return issueCrl({ issuer: pki.terminalCa, number, thisUpdate: yesterday, nextUpdate: tomorrow, revoked });
}

test('an empty CRL leaves the list out (RFC 5280, 5.1.2.6)', async () => {
  const der = await issue([]);
  expect(AsnConvert.parse(der, CertificateList).tbsCertList.revokedCertificates).toBeUndefined();
  const crl = readCrl(der);
  expect(crl).toMatchObject({ thisUpdate: yesterday, nextUpdate: tomorrow, hasUnknownCritical: false });
  expect(crl.isRevoked('01')).toBe(false);
});

test('is signed by its issuer and by nobody else', async () => {
  const crl = readCrl(await issue([]));
  expect(crl.isSignedBy(readPublicKey(pki.terminalCa.signer.publicKey))).toBe(true);
  expect(crl.isSignedBy(readPublicKey(pki.kdhCa.signer.publicKey))).toBe(false);
});

test.each([1, 127, 128, 255, 256, 4_000_000_000])('CRL number %d', async (number) => {
  const { crlExtensions } = AsnConvert.parse(await issue([], number), CertificateList).tbsCertList;
  expect(Number(readExtension(crlExtensions, '2.5.29.20', CRLNumber)?.value)).toBe(number);
});

test.each(Object.keys(revocationReasons) as RevocationReason[])('reason %s', async (reason) => {
  const der = await issue([{ serialNumber: '0A', revokedAt: yesterday, reason }]);
  const [entry] = AsnConvert.parse(der, CertificateList).tbsCertList.revokedCertificates!;
  expect(entry!.revocationDate.getTime()).toEqual(yesterday);
  const written = readExtension(entry!.crlEntryExtensions, '2.5.29.21', CRLReason)?.reason;
  expect(written).toBe(reason === 'unspecified' ? undefined : revocationReasons[reason]);
});

test('exactly the serial numbers that were given are revoked', async () => {
  const serial = fc
    .bigInt({ min: 1n, max: (1n << 159n) - 1n })
    .map((value) => value.toString(16).toUpperCase());
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(serial, { minLength: 1, maxLength: 5 }),
      serial,
      async (serials, other) => {
        const crl = readCrl(
          await issue(serials.map((serialNumber) => ({ serialNumber, revokedAt: yesterday }))),
        );
        for (const revoked of serials) expect(crl.isRevoked(revoked)).toBe(true);
        expect(crl.isRevoked(other)).toBe(serials.includes(other));
      },
    ),
    { numRuns: 25 },
  );
});

describe('refusals', () => {
  test('a signer with another key than the issuer', async () => {
    const issuer = { certificate: pki.terminalCa.certificate, signer: localSigner(ecKey()) };
    await expect(
      issueCrl({ issuer, number: 1, thisUpdate: yesterday, nextUpdate: tomorrow, revoked: [] }),
    ).rejects.toMatchObject({ code: 'PKI_ISSUER_REFUSED' });
  });

  test('a signer that answers with a wrong signature', async () => {
    const signer = { publicKey: pki.terminalCa.signer.publicKey, sign: async () => new Uint8Array(70) };
    const issuer = { certificate: pki.terminalCa.certificate, signer };
    await expect(
      issueCrl({ issuer, number: 1, thisUpdate: yesterday, nextUpdate: tomorrow, revoked: [] }),
    ).rejects.toMatchObject({ code: 'PKI_SIGNER_FAILED' });
  });
});
