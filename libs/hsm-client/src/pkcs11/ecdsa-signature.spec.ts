import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { signatureFromDer, signatureToDer } from './ecdsa-signature.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const data = Buffer.from('data');

describe('ECDSA signatures, r ‖ s and DER (RFC 3279, 2.2.3)', () => {
  test('what OpenSSL signs in one form it verifies in the other', () => {
    for (let i = 0; i < 100; i++) {
      const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'der' }, signatureToDer(raw))).toBe(true);
      const der = sign('sha256', data, { key: privateKey, dsaEncoding: 'der' });
      const back = signatureFromDer(der)!;
      expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, back)).toBe(true);
    }
  });

  test('there and back, leading zeros and high bits included', () => {
    const scalar = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.nat(64).map((zeros) => new Uint8Array(32).fill(0xff, Math.min(zeros, 31))),
    );
    fc.assert(
      fc.property(scalar, scalar, (r, s) => {
        const signature = Uint8Array.of(...r, ...s);
        expect(signatureFromDer(signatureToDer(signature))).toEqual(signature);
      }),
    );
  });

  test('whatever is not the one DER form of a signature is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const signature = signatureFromDer(bytes);
        if (signature !== undefined) expect(signatureToDer(signature)).toEqual(bytes);
      }),
    );
    const der = signatureToDer(new Uint8Array(64).fill(0x7f));
    for (let length = 0; length < der.length; length++) {
      expect(signatureFromDer(der.subarray(0, length))).toBeUndefined();
    }
    expect(signatureFromDer(Uint8Array.of(...der, 0))).toBeUndefined();
  });

  test.each([0, 63, 65, 128])('%i bytes are no r ‖ s', (length) => {
    expect(() => signatureToDer(new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: 'HSM_BAD_ANSWER' }),
    );
  });
});
