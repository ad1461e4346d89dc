import { createPrivateKey, createPublicKey, ECDH, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ecKey, rsaKey } from '../test/sample-pki.ts';
import { canonicalSpki, createTlsKey, keyKind, readPublicKey, spkiFingerprint } from './keys.ts';

const refused = expect.objectContaining({ name: 'PkiError', code: 'PKI_KEY_REFUSED' });

describe('keyKind', () => {
  test.each([
    ['RSA', rsaKey(2048)],
    ['P-256', ecKey('P-256')],
    ['P-384', ecKey('P-384')],
  ])('%s', (kind, key) => {
    expect(keyKind(key)).toBe(kind);
    expect(keyKind(createPublicKey(key))).toBe(kind);
  });

  test.each([
    ['RSA of 1024 bits', rsaKey(1024)],
    ['RSA with exponent 3', rsaKey(2048, 3)],
    ['P-521', ecKey('P-521')],
    ['secp256k1', ecKey('secp256k1')],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey],
    ['RSA-PSS only', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey],
  ])('refuses %s', (_name, key) => {
    expect(() => keyKind(key)).toThrow(refused);
  });
});

test('a compressed point is the same key as the uncompressed one', () => {
  const { publicKey } = createTlsKey();
  const point = publicKey.subarray(-65);
  const compressed = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'compressed') as Buffer;
  // SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING point }, 32 bytes shorter
  const spki = Buffer.concat([
    Buffer.of(0x30, 0x39),
    publicKey.subarray(2, 23),
    Buffer.of(0x03, 0x22, 0x00),
    compressed,
  ]);
  expect(spkiFingerprint(spki)).not.toBe(spkiFingerprint(publicKey));
  expect(Buffer.from(canonicalSpki(readPublicKey(spki)))).toEqual(Buffer.from(publicKey));
});

test('createTlsKey makes a P-256 pair, another each time', () => {
  const [one, two] = [createTlsKey(), createTlsKey()];
  expect(one.privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  expect(keyKind(createPrivateKey(one.privateKey))).toBe('P-256');
  expect(createPublicKey(one.privateKey).export({ type: 'spki', format: 'der' })).toEqual(one.publicKey);
  expect(spkiFingerprint(one.publicKey)).not.toBe(spkiFingerprint(two.publicKey));
});

test('bytes that are no public key', () => {
  expect(() => readPublicKey(new Uint8Array(91))).toThrow(expect.objectContaining({ code: 'PKI_MALFORMED' }));
});
