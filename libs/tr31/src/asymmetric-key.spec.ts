import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readAsymmetricKey } from './asymmetric-key.ts';
import { strengthOfAsymmetric, strengthOfSymmetric } from './key-strength.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }); // short: only the shape counts here
const curves = { 'P-256': 256, 'P-384': 384, 'P-521': 528 } as const; // fields in whole bytes
const der = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'sec1' | 'spki') =>
  new Uint8Array(key.export({ type: type as 'pkcs8', format: 'der' }));

describe('forms, as OpenSSL writes them', () => {
  test('RSA', () => {
    expect(readAsymmetricKey(der(rsa.privateKey, 'pkcs1'))).toEqual({
      kind: 'RSA',
      secret: true,
      bits: 1024,
    });
    expect(readAsymmetricKey(der(rsa.privateKey, 'pkcs8'))).toEqual({
      kind: 'RSA',
      secret: true,
      bits: 1024,
    });
    expect(readAsymmetricKey(der(rsa.publicKey, 'pkcs1'))).toEqual({
      kind: 'RSA',
      secret: false,
      bits: 1024,
    });
    expect(readAsymmetricKey(der(rsa.publicKey, 'spki'))).toEqual({ kind: 'RSA', secret: false, bits: 1024 });
  });

  test.each(Object.entries(curves))('EC %s', (namedCurve, bits) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    expect(readAsymmetricKey(der(privateKey, 'sec1'))).toEqual({ kind: 'EC', secret: true, bits });
    expect(readAsymmetricKey(der(privateKey, 'pkcs8'))).toEqual({ kind: 'EC', secret: true, bits });
    expect(readAsymmetricKey(der(publicKey, 'spki'))).toEqual({ kind: 'EC', secret: false, bits });
  });

  test('another kind of key is none of them', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    expect(readAsymmetricKey(der(privateKey, 'pkcs8'))).toBeUndefined();
    expect(readAsymmetricKey(der(publicKey, 'spki'))).toBeUndefined();
  });

  test('every truncation, and bytes behind the key, are refused', () => {
    const whole = der(rsa.privateKey, 'pkcs1');
    for (let length = 0; length < whole.length; length++) {
      expect(readAsymmetricKey(whole.subarray(0, length))).toBeUndefined();
    }
    expect(readAsymmetricKey(Buffer.concat([whole, Buffer.from([0])]))).toBeUndefined();
    expect(readAsymmetricKey(Uint8Array.of(0x30, 0))).toBeUndefined();
    expect(readAsymmetricKey(Uint8Array.of(0x30, 3, 0x02, 1, 0))).toBeUndefined();
  });

  test('any bytes, and a key with any byte changed, give an answer', () => {
    const whole = der(rsa.privateKey, 'pkcs8');
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void readAsymmetricKey(bytes)));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const changed = Uint8Array.from(whole);
        changed[at] = value;
        readAsymmetricKey(changed);
      }),
    );
  });
});

describe('strength in bits', () => {
  test.each([
    ['D', 8, 56],
    ['T', 16, 80],
    ['T', 24, 112],
    ['A', 16, 128],
    ['A', 24, 192],
    ['A', 32, 256],
    ['H', 10, 80],
    ['H', 32, 256],
    ['J', 100, 256],
    ['A', 20, undefined],
    ['R', 16, undefined],
    ['constructor', 16, undefined],
  ])('%s of %d bytes: %s', (algorithm, bytes, strength) => {
    expect(strengthOfSymmetric(algorithm, bytes)).toBe(strength);
  });

  test.each([
    ['RSA', 1023, 0],
    ['RSA', 1024, 80],
    ['RSA', 2047, 80],
    ['RSA', 2048, 112],
    ['RSA', 3072, 128],
    ['RSA', 4096, 128],
    ['RSA', 7680, 192],
    ['RSA', 15360, 256],
    ['EC', 159, 0],
    ['EC', 160, 80],
    ['EC', 224, 112],
    ['EC', 256, 128],
    ['EC', 384, 192],
    ['EC', 528, 256],
  ] as const)('%s of %d bits: %d', (kind, bits, strength) => {
    expect(strengthOfAsymmetric(kind, bits)).toBe(strength);
  });
});
