import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  ecKey,
  rsaKey,
  type SamplePki,
  samplePki,
  terminalCertificate,
  tomorrow,
  yesterday,
} from '../test/sample-pki.ts';
import { readCertificate } from './certificate.ts';
import { type IssuedProfileName, issueCertificate, issueRoot } from './issue.ts';
import { type CertificateProfile, certificateProfiles } from './profiles.ts';
import { purposes } from './purposes.ts';
import { localSigner } from './signer.ts';

const [rootKey, caKey, kdhKey, terminalKey] = [rsaKey(), rsaKey(), rsaKey(), rsaKey()];
let pki: SamplePki;
beforeAll(async () => {
  const keys = [rootKey, caKey, kdhKey];
  pki = await samplePki(() => keys.shift()!);
});

const leafKeys: Record<string, Uint8Array> = {
  RSA: localSigner(terminalKey).publicKey,
  'P-256': localSigner(ecKey()).publicKey,
};
const leafProfiles = Object.entries(certificateProfiles).filter(([, { kind }]) => kind === 'leaf');

describe('certificates issued under RSA keys, as the HSM holds them', () => {
  test('the root is a CA for one CA below, and signs itself', () => {
    const root = new X509Certificate(pki.root.certificate);
    expect(root.ca).toBe(true);
    expect(root.subject).toBe('CN=Sample root');
    expect(root.checkIssued(root) && root.verify(root.publicKey)).toBe(true);
  });

  test('the terminal CA is issued by the root', () => {
    const [root, ca] = [
      new X509Certificate(pki.root.certificate),
      new X509Certificate(pki.terminalCa.certificate),
    ];
    expect(ca.ca && ca.checkIssued(root) && ca.verify(root.publicKey)).toBe(true);
  });

  test.each(leafProfiles)('profile %s as OpenSSL reads it', async (name, profile: CertificateProfile) => {
    if (profile.kind !== 'leaf') throw new Error('a leaf profile expected');
    const { oid, keyKinds } = purposes[profile.purpose];
    const der = await issueCertificate(name as IssuedProfileName, {
      issuer: pki.terminalCa,
      publicKey: leafKeys[keyKinds.at(-1) === 'RSA' ? 'RSA' : 'P-256']!,
      commonName: 'SIM-000001',
      hosts: ['kdh.example', '127.0.0.1', '::1'],
      notBefore: yesterday,
    });
    const certificate = new X509Certificate(der);
    const ca = new X509Certificate(pki.terminalCa.certificate);
    expect(certificate.checkIssued(ca) && certificate.verify(ca.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.subject).toBe('CN=SIM-000001');
    expect(certificate.keyUsage).toEqual([oid]); // node's name for the extended key usage
    expect(certificate.subjectAltName).toBe(
      {
        device: 'URI:urn:kdh:device:SIM-000001',
        hosts: 'DNS:kdh.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
        none: undefined,
      }[profile.names],
    );
    const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
    expect(days).toBe(profile.validityDays);
  });

  test('serial numbers are 16 bytes, positive and different', async () => {
    const publicKey = leafKeys['P-256']!;
    const serials = await Promise.all(
      Array.from(
        { length: 20 },
        async () => readCertificate(await terminalCertificate(pki.terminalCa, publicKey)).serialNumber,
      ),
    );
    expect(new Set(serials).size).toBe(20);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });
});

describe('validity', () => {
  const request = () => ({
    issuer: pki.terminalCa,
    publicKey: leafKeys['P-256']!,
    commonName: 'SIM-000001',
    notBefore: yesterday,
  });

  test('an end of the caller', async () => {
    const der = await issueCertificate('terminal-tls', { ...request(), notAfter: tomorrow });
    expect(readCertificate(der).notAfter).toEqual(tomorrow);
  });

  test('never beyond the issuer', async () => {
    const der = await issueCertificate('terminal-tls', {
      ...request(),
      notAfter: new Date('2045-01-01T00:00:00Z'),
    });
    expect(readCertificate(der).notAfter).toEqual(readCertificate(pki.terminalCa.certificate).notAfter);
  });

  test('whole seconds, also beyond 2049 where the form changes (RFC 5280, 4.1.2.5)', async () => {
    const notAfter = new Date('2060-01-02T03:04:05.678Z');
    const der = await issueRoot({
      signer: pki.root.signer,
      commonName: 'Long',
      notBefore: yesterday,
      notAfter,
    });
    expect(readCertificate(der).notAfter).toEqual(new Date('2060-01-02T03:04:05Z'));
    expect(new X509Certificate(der).validTo).toBe('Jan  2 03:04:05 2060 GMT');
  });
});

describe('refusals', () => {
  const request = () => ({
    issuer: pki.terminalCa,
    publicKey: leafKeys['P-256']!,
    commonName: 'SIM-000001',
    notBefore: yesterday,
  });
  const refused = (code: string) => expect.objectContaining({ name: 'PkiError', code });

  test('an issuer that is no CA', async () => {
    const key = ecKey();
    const certificate = await terminalCertificate(pki.terminalCa, localSigner(key).publicKey);
    const issuer = { certificate, signer: localSigner(key) };
    await expect(issueCertificate('terminal-tls', { ...request(), issuer })).rejects.toEqual(
      refused('PKI_ISSUER_REFUSED'),
    );
  });

  test('a signer with another key than the certificate of the issuer', async () => {
    const issuer = { certificate: pki.terminalCa.certificate, signer: localSigner(ecKey()) };
    await expect(issueCertificate('terminal-tls', { ...request(), issuer })).rejects.toEqual(
      refused('PKI_ISSUER_REFUSED'),
    );
  });

  test('a CA below a CA of path length 0', async () => {
    await expect(issueCertificate('terminal-ca', request())).rejects.toEqual(refused('PKI_ISSUER_REFUSED'));
  });

  test.each([
    ['terminal-encryption', 'P-256'],
    ['terminal-signing', 'RSA'],
    ['kdh-signing', 'P-256'],
  ] as const)('%s for a key of kind %s', async (profile, kind) => {
    await expect(issueCertificate(profile, { ...request(), publicKey: leafKeys[kind]! })).rejects.toEqual(
      refused('PKI_KEY_REFUSED'),
    );
  });

  test.each(['', 'x'.repeat(65), 'grün', 'tab\t', 'SIM 1', 'sim-1', '-SIM'])(
    'common name or serial %j',
    async (commonName) => {
      await expect(issueCertificate('terminal-tls', { ...request(), commonName })).rejects.toEqual(
        refused('PKI_NAME_REFUSED'),
      );
    },
  );

  test.each([[[]], [['']], [['a b']], [['kdh.example', 'x/y']]])('hosts %j', async (hosts: string[]) => {
    await expect(issueCertificate('gateway-tls', { ...request(), hosts })).rejects.toEqual(
      refused('PKI_NAME_REFUSED'),
    );
  });

  test('bytes that are no public key', async () => {
    await expect(
      issueCertificate('terminal-tls', { ...request(), publicKey: Uint8Array.of(0x30, 0) }),
    ).rejects.toEqual(refused('PKI_MALFORMED'));
  });

  test('a signer that answers with a wrong signature', async () => {
    const signer = { publicKey: pki.terminalCa.signer.publicKey, sign: async () => new Uint8Array(256) };
    const issuer = { certificate: pki.terminalCa.certificate, signer };
    await expect(issueCertificate('terminal-tls', { ...request(), issuer })).rejects.toEqual(
      refused('PKI_SIGNER_FAILED'),
    );
  });

  test('the error of a signer passes through', async () => {
    const signer = {
      publicKey: pki.terminalCa.signer.publicKey,
      sign: () => Promise.reject(new Error('HSM away')),
    };
    const issuer = { certificate: pki.terminalCa.certificate, signer };
    await expect(issueCertificate('terminal-tls', { ...request(), issuer })).rejects.toThrow('HSM away');
  });
});
