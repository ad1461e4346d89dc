/** One bit flipped, in every position of a token: no such token is accepted. */
import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import {
  at,
  bytes,
  caSigner,
  certificates,
  clover,
  cloverTrust,
  decryptor,
  kdhCrl,
  kdhSigner,
  krd,
  nonce,
  outstanding,
  pemToDer,
  refusal,
  trust,
} from '../test/pki.ts';
import {
  acceptKdhCredential,
  acceptKrdCredential,
  buildKdhCredentialToken,
  buildKrdCredentialToken,
  issuerAndSerialNumber,
  makeCaRebindToken,
  makeCaUnbindToken,
  makeKeyToken,
  makeRebindToken,
  makeUnbindToken,
  openCaRebindToken,
  openCaUnbindToken,
  openKeyToken,
  openRebindToken,
  openUnbindToken,
} from './index.ts';

type Open = (token: Uint8Array) => unknown;

/** Positions (bit numbers) whose flip is not refused. */
async function accepted(token: Uint8Array, open: Open, bits: (octet: number) => number[]): Promise<number[]> {
  expect(await refusal(() => open(token))).toBe('accepted');
  const found: number[] = [];
  for (let octet = 0; octet < token.length; octet++) {
    for (const bit of bits(octet)) {
      const flipped = Uint8Array.from(token);
      flipped[octet] = (flipped[octet] as number) ^ (1 << bit);
      const code = await refusal(() => open(flipped));
      if (!code.startsWith('TR34_')) found.push(octet * 8 + bit);
    }
  }
  return found;
}

/** All bits of a key token; of the others a different bit in each octet, as the same code reads them. */
const every = () => [0, 1, 2, 3, 4, 5, 6, 7];
const some = (octet: number) => [octet % 8];

const identifiers = {
  krd: issuerAndSerialNumber(certificates.krd),
  kdh: issuerAndSerialNumber(certificates.kdh),
};
const key = bytes('00112233445566778899AABBCCDDEEFF');
const order = {
  key,
  header: 'D0000K1AD00N0000',
  krdCertificate: certificates.krd,
  trust,
  nonce,
  crl: kdhCrl,
};
const newKdhCertificate = certificates.newKdh;
const openKey: Open = (token) => openKeyToken(token, krd, decryptor, { nonces: outstanding(nonce) });

test("every bit of one of Clover's key tokens", async () => {
  const [vector] = clover.tokens as [(typeof clover.tokens)[number]];
  const member = (name: 'krd1' | 'kdh1') => pemToDer(clover.pki[name].certificatePem);
  const reader = { certificate: member('krd1'), kdhCertificate: member('kdh1'), trust: cloverTrust };
  const nonces = () => outstanding(bytes(vector.expected.nonce));
  const open: Open = (token) => openKeyToken(token, reader, decryptor, { nonces: nonces() });
  expect(await accepted(bytes(vector.derHex), open, every)).toEqual([]);
});

test.each(['strict', 'annex-b-2019', 'aws'] as const)('key token in %s', async (dialect) => {
  const token = await makeKeyToken({ ...order, dialect }, kdhSigner, randomBytes);
  expect(await accepted(token, openKey, some)).toEqual([]);
});

test('credential tokens', async () => {
  const ctKdh = buildKdhCredentialToken(certificates.kdh, kdhCrl);
  expect(await accepted(ctKdh, (token) => acceptKdhCredential(token, trust), some)).toEqual([]);
  const ctKrd = buildKrdCredentialToken(certificates.krd);
  expect(await accepted(ctKrd, (token) => acceptKrdCredential(token, trust), some)).toEqual([]);
});

test.each(['strict', 'annex-b-2019'] as const)(
  'rebind by the KDH and unbind by the CA in %s',
  async (dialect) => {
    const byKdh = { ...identifiers, newKdhCertificate, nonce, crl: kdhCrl, dialect };
    const rebind = await makeRebindToken(byKdh, kdhSigner);
    expect(await accepted(rebind, (token) => openRebindToken(token, krd, outstanding(nonce)), some)).toEqual(
      [],
    );
    const caUnbind = await makeCaUnbindToken({ ...identifiers, signingTime: at, dialect }, caSigner);
    const open: Open = (token) => openCaUnbindToken(token, krd, certificates.krdCa);
    expect(await accepted(caUnbind, open, some)).toEqual([]);
  },
);

test('unbind by the KDH and rebind by the CA', async () => {
  const unbind = await makeUnbindToken({ ...identifiers, nonce, crl: kdhCrl }, kdhSigner);
  expect(await accepted(unbind, (token) => openUnbindToken(token, krd, outstanding(nonce)), some)).toEqual(
    [],
  );
  const caRebind = await makeCaRebindToken({ ...identifiers, newKdhCertificate, signingTime: at }, caSigner);
  const open: Open = (token) => openCaRebindToken(token, krd, certificates.krdCa);
  expect(await accepted(caRebind, open, some)).toEqual([]);
});
