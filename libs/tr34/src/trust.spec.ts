/** Certificates and CRLs, refused for every reason. RFC 5280. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  at,
  certificates,
  cloverTrust,
  expires,
  extension,
  issueCertificate,
  issueCrl,
  issued,
  kdhProfile,
  keys,
  krdProfile,
  refusal,
  trust,
} from '../test/pki.ts';
import { smallInteger } from './der.ts';
import {
  acceptKdhCredential,
  acceptKrdCredential,
  buildKdhCredentialToken,
  buildKrdCredentialToken,
  checkCertificate,
  parseCertificate,
  parseCrl,
  purposes,
  type Role,
  type RolePolicy,
  rolePolicies,
  type Trust,
} from './tokens.ts';

const check = (certificate: Uint8Array, role: Role, changes: Partial<Trust> = {}) =>
  refusal(() => checkCertificate(certificate, role, { ...trust, ...changes }));
const withCrls = (...crls: Uint8Array[]): Partial<Trust> => ({ revocation: { crls, whenAbsent: 'refuse' } });
const kdhLike = (changes: Partial<Parameters<typeof issueCertificate>[0]>) =>
  issueCertificate({ subject: 'KDH 3', key: keys.kdh, ...kdhProfile, ...changes });

describe('role', () => {
  test.each([
    ['kdh', 'KDH', 'accepted'],
    ['krd', 'KRD', 'accepted'],
    ['kdh', 'KRD', 'TR34_CERTIFICATE_ROLE'],
    ['krd', 'KDH', 'TR34_CERTIFICATE_ROLE'],
    ['kdhCa', 'KDH', 'TR34_CERTIFICATE_ROLE'],
    ['root', 'KRD', 'TR34_CERTIFICATE_ROLE'],
  ] as const)('%s as %s: %s', async (certificate, role, expected) => {
    expect(await check(certificates[certificate], role)).toBe(expected);
  });

  test('a CA that has the purpose of a KDH is no KDH', async () => {
    expect(await check(kdhLike({ ca: true }), 'KDH')).toBe('TR34_CERTIFICATE_ROLE');
  });

  test('a key usage that does not fit the role', async () => {
    expect(await check(kdhLike({ keyUsage: ['keyEncipherment'] }), 'KDH')).toBe('TR34_CERTIFICATE_ROLE');
  });

  test('no purpose, although the name says KDH', async () => {
    const { extendedKeyUsage: _, ...profile } = kdhProfile;
    const named = issueCertificate({ subject: 'KDH 3', key: keys.kdh, ...profile });
    expect(await check(named, 'KDH')).toBe('TR34_CERTIFICATE_ROLE');
    expect(await check(named, 'KDH', { rolePolicy: rolePolicies.commonName })).toBe('accepted');
    expect(await check(named, 'KDH', { rolePolicy: rolePolicies.purposeOrName })).toBe('accepted');
    expect(await check(named, 'KRD', { rolePolicy: rolePolicies.purposeOrName })).toBe(
      'TR34_CERTIFICATE_ROLE',
    );
  });

  test('a KRD by purpose does not become a KDH by its name', async () => {
    const rogue = issueCertificate({ subject: 'Rogue KDH', key: keys.krd, ...krdProfile });
    for (const rolePolicy of Object.values(rolePolicies) as RolePolicy[]) {
      expect(await check(rogue, 'KDH', { rolePolicy })).toBe('TR34_CERTIFICATE_ROLE');
    }
  });

  test('the word of a common name is a whole word', async () => {
    const { extendedKeyUsage: _, ...profile } = kdhProfile;
    const near = issueCertificate({ subject: 'NOTKDH', key: keys.kdh, ...profile });
    expect(await check(near, 'KDH', { rolePolicy: rolePolicies.commonName })).toBe('TR34_CERTIFICATE_ROLE');
  });
});

describe('path', () => {
  test('a CA that was not signed by the anchor', async () => {
    const fake = { subject: 'KDH CA', issuer: 'Root', key: keys.kdhCa, issuerKey: keys.krd, ca: true };
    const intermediates = [issueCertificate(fake)];
    expect(await check(certificates.kdh, 'KDH', { intermediates })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('no intermediate', async () => {
    expect(await check(certificates.kdh, 'KDH', { intermediates: [] })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('a CA that is pinned as the anchor of its role', async () => {
    const pinned = { anchors: [certificates.kdhCa], intermediates: [] };
    expect(await check(certificates.kdh, 'KDH', pinned)).toBe('accepted');
    expect(await check(certificates.krd, 'KRD', pinned)).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('an issuer that is no CA', async () => {
    const plain = { subject: 'KDH CA', issuer: 'Root', key: keys.kdhCa, issuerKey: keys.root };
    const intermediates = [issueCertificate(plain)];
    expect(await check(certificates.kdh, 'KDH', { intermediates })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('a CA without keyCertSign', async () => {
    const weak = { subject: 'KDH CA', issuer: 'Root', key: keys.kdhCa, issuerKey: keys.root, ca: true };
    const intermediates = [issueCertificate({ ...weak, keyUsage: ['cRLSign'] })];
    expect(await check(certificates.kdh, 'KDH', { intermediates })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('more CAs than the path length allows', async () => {
    const sub = { subject: 'Sub', issuer: 'KDH CA', key: keys.krd, issuerKey: keys.kdhCa, ca: true };
    const leaf = kdhLike({ issuer: 'Sub', issuerKey: keys.krd });
    const intermediates = [certificates.kdhCa, issueCertificate(sub)];
    expect(await check(leaf, 'KDH', { intermediates })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('certificates that issue each other end somewhere', async () => {
    const loop = (subject: string, issuer: string) =>
      issueCertificate({ subject, issuer, key: keys.krd, issuerKey: keys.krd, ca: true });
    const intermediates = [loop('A', 'B'), loop('B', 'A')];
    const leaf = kdhLike({ issuer: 'A', issuerKey: keys.krd });
    expect(await check(leaf, 'KDH', { intermediates })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('a CA that expired', async () => {
    const old = { subject: 'KDH CA', issuer: 'Root', key: keys.kdhCa, issuerKey: keys.root, ca: true };
    const intermediates = [issueCertificate({ ...old, notAfter: new Date(+at - 1000) })];
    expect(await check(certificates.kdh, 'KDH', { intermediates })).toBe('TR34_CERTIFICATE_EXPIRED');
  });

  test('the last second of validity counts', async () => {
    const crls = [issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, nextUpdate: new Date(+expires + 1000) })];
    expect(await check(certificates.kdh, 'KDH', { at: expires, ...withCrls(...crls) })).toBe('accepted');
  });

  test('a critical extension that nobody knows', async () => {
    const nameConstraints = extension('2.5.29.30', smallInteger(1), true);
    expect(await check(kdhLike({ extensions: [nameConstraints] }), 'KDH')).toBe('TR34_CERTIFICATE_UNTRUSTED');
    expect(await check(kdhLike({ extensions: [extension('2.5.29.30', smallInteger(1))] }), 'KDH')).toBe(
      'accepted',
    );
  });

  test('an extension twice: refused where it decides, else no matter (as in the KDH certificate of Annex B)', async () => {
    const twice = (id: string) => [extension(id, smallInteger(1)), extension(id, smallInteger(1))];
    expect(await check(kdhLike({ extensions: twice('2.5.29.37') }), 'KDH')).toBe('TR34_MALFORMED');
    expect(await check(kdhLike({ extensions: twice('2.5.29.32') }), 'KDH')).toBe('accepted');
  });

  test('an EC key', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(await check(kdhLike({ key: privateKey }), 'KDH')).toBe('TR34_CERTIFICATE_KEY');
  });
});

describe('CRL', () => {
  const crl = { issuer: 'KDH CA', key: keys.kdhCa };
  const judged = (options: Partial<Parameters<typeof issueCrl>[0]>) =>
    check(certificates.kdh, 'KDH', withCrls(issueCrl({ ...crl, ...options })));

  test.each([
    ['as it should be', {}, 'accepted'],
    ['without nextUpdate', { nextUpdate: null }, 'TR34_CRL_STALE'],
    ['that ends now', { nextUpdate: at }, 'TR34_CRL_STALE'],
    ['of the future', { thisUpdate: new Date(+at + 1000) }, 'TR34_CRL_STALE'],
    ['signed by another key', { key: keys.krdCa }, 'TR34_CRL_INVALID'],
    ['that is a delta', { extensions: [extension('2.5.29.27', smallInteger(1), true)] }, 'TR34_CRL_INVALID'],
    ['that revokes it', { revoked: [certificates.krd, certificates.kdh] }, 'TR34_CERTIFICATE_REVOKED'],
    ['that revokes others', { revoked: [certificates.krd, certificates.newKdh] }, 'accepted'],
  ])('%s', async (_, options, expected) => {
    expect(await judged(options)).toBe(expected);
  });

  test('of the root revokes the CA', async () => {
    const ofRoot = issueCrl({ issuer: 'Root', key: keys.root, revoked: [certificates.kdhCa] });
    expect(await check(certificates.kdh, 'KDH', withCrls(issueCrl(crl), ofRoot))).toBe(
      'TR34_CERTIFICATE_REVOKED',
    );
  });

  test('by a CA without cRLSign: refused by purpose, taken by common name (Clover)', async () => {
    const ca = { subject: 'KDH CA', issuer: 'Root', key: keys.kdhCa, issuerKey: keys.root, ca: true };
    const intermediates = [issueCertificate({ ...ca, keyUsage: ['keyCertSign'] })];
    expect(await check(certificates.kdh, 'KDH', { intermediates })).toBe('TR34_CRL_INVALID');
    const { revocation } = trust;
    const lenient = {
      ...trust,
      intermediates,
      revocation,
      rolePolicy: { roles: rolePolicies.purpose.roles },
    };
    expect(await refusal(() => checkCertificate(certificates.kdh, 'KDH', lenient))).toBe('accepted');
  });

  test('of one CA says nothing of a serial of another', async () => {
    expect(await judged({ revoked: [certificates.kdhCa] })).toBe('accepted');
  });

  test('with a number, is remembered with it', () => {
    const { crlsSeen } = checkCertificate(certificates.kdh, 'KDH', trust);
    expect(crlsSeen).toContainEqual({
      issuer: parseCrl(issueCrl(crl)).issuer,
      thisUpdate: issued,
      number: 1n,
    });
  });
});

describe('credential tokens', () => {
  const { kdh, krd, kdhCa, krdCa } = certificates;
  const crl = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa });

  test('CT_KDH: the CRL inside is enough', () => {
    const alone: Trust = { ...trust, revocation: { whenAbsent: 'refuse' } };
    expect(acceptKdhCredential(buildKdhCredentialToken(kdh, crl), alone).certificate.der).toEqual(kdh);
  });

  test('CT_KDH of a KRD', async () => {
    const rogue = buildKdhCredentialToken(krd, issueCrl({ issuer: 'KRD CA', key: keys.krdCa }));
    expect(await refusal(() => acceptKdhCredential(rogue, trust))).toBe('TR34_CERTIFICATE_ROLE');
  });

  test('CT_KRD brings the CA that the KDH does not have', () => {
    const alone: Trust = { ...trust, intermediates: [] };
    const accepted = acceptKrdCredential(buildKrdCredentialToken(krd, [krdCa, kdhCa]), alone);
    expect(accepted.certificate.der).toEqual(krd);
    expect(accepted.token.issuers).toHaveLength(2);
  });

  test('CT_KRD with two terminals, with none', async () => {
    const two = buildKrdCredentialToken(krd, [certificates.otherKrd]);
    expect(await refusal(() => acceptKrdCredential(two, trust))).toBe('TR34_MALFORMED');
    expect(await refusal(() => acceptKrdCredential(buildKrdCredentialToken(krdCa), trust))).toBe(
      'TR34_MALFORMED',
    );
  });

  test('CT_KRD without a CRL at hand', async () => {
    const token = buildKrdCredentialToken(krd);
    expect(await refusal(() => acceptKrdCredential(token, { ...trust, ...withCrls() }))).toBe(
      'TR34_CRL_ABSENT',
    );
  });
});

test('the purposes are one arc', () => {
  expect(purposes).toEqual({
    krdEncryption: '1.3.6.1.4.1.32473.34.1.1',
    kdhSigning: '1.3.6.1.4.1.32473.34.1.3',
  });
});

test("Clover's KDH CA is no KDH although its name has the word", async () => {
  const [kdhCa] = cloverTrust.intermediates as [Uint8Array];
  expect(parseCertificate(kdhCa).isCa).toBe(true);
  expect(await refusal(() => checkCertificate(kdhCa, 'KDH', cloverTrust))).toBe('TR34_CERTIFICATE_ROLE');
});
