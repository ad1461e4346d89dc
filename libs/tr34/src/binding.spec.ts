/** Unbind and rebind, by the KDH and by the higher authority. TR-34:2019, B.10 to B.14. */
import { describe, expect, test } from '@jest/globals';
import {
  at,
  caSigner,
  certificates,
  issueCertificate,
  issueCrl,
  kdhCrl,
  kdhSigner,
  keys,
  krd,
  krdProfile,
  nonce,
  outstanding,
  refusal,
  rootCrl,
  trust,
} from '../test/pki.ts';
import { Reading } from './dialects.ts';
import {
  describeToken,
  issuerAndSerialNumber,
  localSigner,
  makeCaRebindToken,
  makeCaUnbindToken,
  makeRebindToken,
  makeUnbindToken,
  openCaRebindToken,
  openCaUnbindToken,
  openRebindToken,
  openUnbindToken,
  type TokenSigner,
} from './index.ts';
import { buildSignedToken, parseSignedToken } from './signed-data.ts';

const id = issuerAndSerialNumber(certificates.krd);
const kdh = issuerAndSerialNumber(certificates.kdh);
const other = issuerAndSerialNumber(certificates.otherKrd);
const newKdhCertificate = certificates.newKdh;
const byKdh = { krd: id, nonce, crl: kdhCrl };
const byCa = { krd: id, kdh, signingTime: at };
const rogueSigner = localSigner(certificates.kdh, keys.newKdh);

/** The four tokens: how each is made with changes, and how it is opened. */
const tokens = {
  UBT_KDH: {
    make: (changes: object = {}, signer: TokenSigner = kdhSigner) =>
      makeUnbindToken({ ...byKdh, ...changes }, signer),
    open: (token: Uint8Array, by = krd) => openUnbindToken(token, by, outstanding(nonce)),
  },
  RBT_KDH: {
    make: (changes: object = {}, signer: TokenSigner = kdhSigner) =>
      makeRebindToken({ ...byKdh, newKdhCertificate, ...changes }, signer),
    open: (token: Uint8Array, by = krd) => openRebindToken(token, by, outstanding(nonce)),
  },
  UBT_CA: {
    make: (changes: object = {}, signer: TokenSigner = caSigner) =>
      makeCaUnbindToken({ ...byCa, ...changes }, signer),
    open: async (token: Uint8Array, by = krd, ca = certificates.krdCa) => openCaUnbindToken(token, by, ca),
  },
  RBT_CA: {
    make: (changes: object = {}, signer: TokenSigner = caSigner) =>
      makeCaRebindToken({ ...byCa, newKdhCertificate, ...changes }, signer),
    open: async (token: Uint8Array, by = krd, ca = certificates.krdCa) => openCaRebindToken(token, by, ca),
  },
};
type Kind = keyof typeof tokens;
const kinds = Object.keys(tokens) as Kind[];
const kdhKinds: Kind[] = ['UBT_KDH', 'RBT_KDH'];
const caKinds: Kind[] = ['UBT_CA', 'RBT_CA'];
const rebinds: Kind[] = ['RBT_KDH', 'RBT_CA'];

describe.each(kinds)('%s', (kind) => {
  const { make, open } = tokens[kind];

  test('opens', async () => {
    const token = await make();
    expect(await open(token)).toMatchObject({ revocationChecked: true, dialect: 'strict', deviations: [] });
    expect(describeToken(token).kind).toBe(kind);
  });

  test('is no other token', async () => {
    for (const another of kinds.filter((one) => one !== kind)) {
      const code = await refusal(async () => open(await tokens[another].make()));
      expect(['TR34_MALFORMED', 'TR34_SIGNER_UNKNOWN']).toContain(code);
    }
  });

  test('for another KRD', async () => {
    expect(await refusal(async () => open(await make({ krd: other })))).toBe('TR34_IDENTIFIER_OTHER');
  });

  test('signed by another key', async () => {
    const signer = caKinds.includes(kind) ? localSigner(certificates.krdCa, keys.newKdh) : rogueSigner;
    expect(await refusal(async () => open(await make({}, signer)))).toBe('TR34_SIGNATURE_INVALID');
  });

  test('signed by someone else', async () => {
    const signer = localSigner(certificates.otherKrd, keys.newKdh);
    expect(await refusal(async () => open(await make({}, signer)))).toBe('TR34_SIGNER_UNKNOWN');
  });

  test('after the signer expired', async () => {
    const late = { ...krd, trust: { ...trust, at: new Date('2037-01-01') } };
    expect(await refusal(async () => open(await make(), late))).toBe('TR34_CERTIFICATE_EXPIRED');
  });
});

describe.each(kdhKinds)('%s', (kind) => {
  const { make, open } = tokens[kind];

  test('with a nonce that is not outstanding', async () => {
    expect(await refusal(async () => open(await make({ nonce: nonce.subarray(0, 8) })))).toBe(
      'TR34_NONCE_REFUSED',
    );
  });

  test('of a KDH that is revoked', async () => {
    const crl = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, revoked: [certificates.kdh] });
    expect(await refusal(async () => open(await make({ crl })))).toBe('TR34_CERTIFICATE_REVOKED');
  });

  test('without the CRL, where there is no other', async () => {
    const bare = { ...krd, trust: { ...trust, revocation: { whenAbsent: 'refuse' as const } } };
    expect(await refusal(async () => open(await make({ crl: undefined }), bare))).toBe('TR34_CRL_ABSENT');
    expect(await refusal(async () => open(await make(), bare))).toBe('accepted');
  });
});

describe.each(caKinds)('%s', (kind) => {
  const { make } = tokens[kind];
  const open = tokens[kind as 'UBT_CA' | 'RBT_CA'].open;

  test('that names a KDH to which the KRD is not bound', async () => {
    const bound = issuerAndSerialNumber(certificates.newKdh);
    expect(await refusal(async () => open(await make({ kdh: bound })))).toBe('TR34_IDENTIFIER_OTHER');
  });

  test('by a CA that did not issue the KRD', async () => {
    const signer = localSigner(certificates.kdhCa, keys.kdhCa);
    const code = await refusal(async () => open(await make({}, signer), krd, certificates.kdhCa));
    expect(code).toBe('TR34_CERTIFICATE_ROLE');
  });

  test.each([
    ['its key under another name', 'KDH CA 2', keys.krdCa],
    ['its name with another key', 'KRD CA', keys.kdhCa],
  ])('by a CA that has %s', async (_, subject, key) => {
    const ca = issueCertificate({ subject, issuer: 'Root', key, issuerKey: keys.root, ca: true });
    const code = await refusal(async () => open(await make({}, localSigner(ca, key)), krd, ca));
    expect(code).toBe('TR34_CERTIFICATE_ROLE');
  });

  test('by the CA of the KRDs when the root has revoked it', async () => {
    const crls = [kdhCrl, issueCrl({ issuer: 'Root', key: keys.root, revoked: [certificates.krdCa] })];
    const revoked = { ...krd, trust: { ...trust, revocation: { crls, whenAbsent: 'refuse' as const } } };
    expect(await refusal(async () => open(await make(), revoked))).toBe('TR34_CERTIFICATE_REVOKED');
  });

  test('by a CA that is itself an anchor: no CRL is asked for', async () => {
    const anchors = [certificates.krdCa, certificates.kdhCa];
    const revocation = { crls: [kdhCrl], whenAbsent: 'refuse' as const };
    const pinned = { ...krd, trust: { ...trust, anchors, intermediates: [], revocation } };
    expect(await open(await make(), pinned)).toMatchObject({ revocationChecked: false });
  });
});

describe.each(rebinds)('%s', (kind) => {
  const { make, open } = tokens[kind];

  test('brings the new KDH', async () => {
    expect(await open(await make())).toMatchObject({ newKdh: { certificate: { der: newKdhCertificate } } });
  });

  test('to a KRD that would be a KDH', async () => {
    const rogue = issueCertificate({ subject: 'Rogue', key: keys.newKdh, ...krdProfile });
    expect(await refusal(async () => open(await make({ newKdhCertificate: rogue })))).toBe(
      'TR34_CERTIFICATE_ROLE',
    );
  });

  test('to a KDH that is revoked', async () => {
    const revoking = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, revoked: [newKdhCertificate] });
    const crls = [revoking, rootCrl];
    const informed = { ...krd, trust: { ...trust, revocation: { crls, whenAbsent: 'refuse' as const } } };
    expect(await refusal(async () => open(await make(), informed))).toBe('TR34_CERTIFICATE_REVOKED');
  });
});

test('RBT_KDH to a KDH under another CA: the CRL in the token is that of the old one', async () => {
  const subCa = { subject: 'KDH CA 2', issuer: 'Root', key: keys.krdCa, issuerKey: keys.root, ca: true };
  const ca2 = issueCertificate(subCa);
  const newKdh = issueCertificate({
    subject: 'KDH 3',
    issuer: 'KDH CA 2',
    issuerKey: keys.krdCa,
    key: keys.newKdh,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['1.3.6.1.4.1.32473.34.1.3'],
  });
  const crls = [issueCrl({ issuer: 'KDH CA 2', key: keys.krdCa })];
  const intermediates = [...(trust.intermediates ?? []), ca2];
  const wider = {
    ...krd,
    trust: { ...trust, intermediates, revocation: { crls, whenAbsent: 'refuse' as const } },
  };
  const token = await tokens.RBT_KDH.make({ newKdhCertificate: newKdh });
  expect(await tokens.RBT_KDH.open(token, wider)).toMatchObject({ newKdh: { revocationChecked: true } });
});

test('RBT_KDH without signed attributes: only id-data may be signed directly (RFC 5652, 5.3)', async () => {
  const reading = new Reading('annex-b-2019');
  const { content, contentType } = parseSignedToken(
    await tokens.RBT_KDH.make({ dialect: 'annex-b-2019' }),
    reading,
  );
  const signer = { identifier: kdh, signature: await kdhSigner.sign(content as Uint8Array) };
  const bare = buildSignedToken(
    { contentType, content: content as Uint8Array, crls: [kdhCrl], signer },
    'annex-b-2019',
  );
  expect(await refusal(() => tokens.RBT_KDH.open(bare))).toBe('TR34_SIGNATURE_INVALID');
});
