import { expect, test } from '@jest/globals';
import {
  type DialectName,
  type ExpectedFreshness,
  type Freshness,
  type KeyDecryptor,
  makeKeyToken,
  type OpenedKey,
  openKeyToken,
  type Revocation,
  type TokenKind,
  type TokenSigner,
  type Tr34Error,
  type Tr34ErrorCode,
  type Trust,
} from './index.ts';

// Checked by the compiler (`tsc -p test`): each line that must not compile says so, and an unused mark is an error.

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const declared: [
  Equal<DialectName, 'strict' | 'annex-b-2019' | 'aws' | 'ibm-cca'>,
  Equal<TokenKind, 'RT_KRD' | 'CT_KRD' | 'CT_KDH' | 'KT_KDH' | 'UBT_KDH' | 'RBT_KDH' | 'UBT_CA' | 'RBT_CA'>,
  Equal<Tr34Error['code'], Tr34ErrorCode>,
  Equal<OpenedKey['key'], Uint8Array>,
  Equal<Awaited<ReturnType<KeyDecryptor['decrypt']>>, Uint8Array>,
] = [true, true, true, true, true];

export async function refusedByTheCompiler(
  bytes: Uint8Array,
  trust: Trust,
  signer: TokenSigner,
  decryptor: KeyDecryptor,
): Promise<void> {
  const krd = { certificate: bytes, kdhCertificate: bytes, trust };
  const order = { key: bytes, header: 'D0000K1AD00N0000', krdCertificate: bytes, trust };
  // @ts-expect-error a token is fresh by a nonce or by a time
  await makeKeyToken(order, signer, () => bytes);
  // @ts-expect-error keys are bytes, never text
  await makeKeyToken({ ...order, key: '0011', nonce: bytes }, signer, () => bytes);
  // @ts-expect-error a dialect that is not there
  await makeKeyToken({ ...order, nonce: bytes, dialect: 'pkcs7' }, signer, () => bytes);
  // @ts-expect-error freshness must be decided, not forgotten
  await openKeyToken(bytes, krd, decryptor);
  // @ts-expect-error a private key goes behind the interface
  await openKeyToken(bytes, krd, bytes, 'unchecked');
  // @ts-expect-error one-pass has two bounds
  const freshness: ExpectedFreshness = { signedAfter: new Date() };
  // @ts-expect-error what happens without a CRL must be decided
  const revocation: Revocation = { crls: [bytes] };
  // @ts-expect-error a trust has a time to judge by
  const timeless: Trust = { anchors: [bytes], revocation: { whenAbsent: 'refuse' } };
  const twoPass: Freshness = { nonce: bytes };
  const { key } = await openKeyToken(bytes, krd, decryptor, 'unchecked');
  // @ts-expect-error what was opened cannot be swapped
  (await openKeyToken(bytes, krd, decryptor, 'unchecked')).header = '';
  key.fill(0);
  void [freshness, revocation, timeless, twoPass];
}

test('the declarations say what the package accepts', () => {
  expect(declared).toEqual([true, true, true, true, true]);
});
