import { createPublicKey, sign, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { codeOf } from '../../../../test/support/refusal-code.ts';
import { payshield } from '../../../../test/support/soft-hsm-in-process.ts';
import { readIntegers, signedContent, unsignedContent, writeIntegers } from './der.ts';
import { generateRsaKeyPair, importRsaPrivateKey } from './rsa-private-key.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

describe('importRsaPrivateKey', () => {
  test.each(payshield.s_block_v0_rsa_private.vectors)(
    'ut-codec-payshield, $name',
    ({ plaintext_hex, modulus }) => {
      const { n, e } = createPublicKey(importRsaPrivateKey(hex(plaintext_hex))).export({ format: 'jwk' });
      expect(Buffer.from(n!, 'base64url').toString('hex').toUpperCase()).toBe(modulus);
      expect(e).toBe('AQAB');
    },
  );

  test.each([2048, 3072])('a generated key of %d bits signs', async (bits) => {
    const { publicKey, crt } = await generateRsaKeyPair(bits);
    const key = importRsaPrivateKey(crt);
    expect(key.asymmetricKeyDetails).toMatchObject({ modulusLength: bits, publicExponent: 65537n });
    const signature = sign('sha256', Buffer.from('data'), key);
    const verifier = createPublicKey({ key: publicKey, format: 'der', type: 'pkcs1' });
    expect(verify('sha256', Buffer.from('data'), verifier, signature)).toBe(true);
  });

  test('49: parts that do not fit together, each of them', async () => {
    const parts = readIntegers((await generateRsaKeyPair(2048)).crt)!.map((part) => Buffer.from(part));
    expect(codeOf(() => importRsaPrivateKey(writeIntegers(parts)))).toBe('done');
    for (const n of parts.keys()) {
      const changed = parts.map((part) => Buffer.from(part));
      changed[n]![100]! ^= 0x04;
      expect(codeOf(() => importRsaPrivateKey(writeIntegers(changed)))).toBe('49');
    }
    expect(codeOf(() => importRsaPrivateKey(writeIntegers(parts.slice(1))))).toBe('49');
    expect(codeOf(() => importRsaPrivateKey(Buffer.from('3000', 'hex')))).toBe('49');
    expect(codeOf(() => importRsaPrivateKey(writeIntegers(Array(5).fill(Buffer.of(0)))))).toBe('49');
    expect(codeOf(() => importRsaPrivateKey(writeIntegers(Array(5).fill(Buffer.of(3)))))).toBe('49');
  });
});

describe('DER', () => {
  test('INTEGERs of any length go out and come back', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 600 }), { maxLength: 5 }), (integers) => {
        const read = readIntegers(writeIntegers(integers));
        expect(read?.map((bytes) => [...bytes])).toEqual(integers.map((bytes) => [...bytes]));
      }),
    );
  });

  test('any bytes are INTEGERs or nothing', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (der) => void readIntegers(der)));
    for (const der of [
      '',
      '30',
      '3001',
      '300102',
      '30020200',
      '3003020101ff',
      '3080',
      '30830000',
      '3003040101',
    ]) {
      expect(readIntegers(hex(der))).toBeUndefined();
    }
  });

  test.each([
    ['7f', '7f', '7f'],
    ['80', '0080', '80'],
    ['0080', '0080', '80'],
    ['000001', '01', '01'],
    ['0000', '00', '00'],
  ])('%s: signed %s, unsigned %s', (value, signed, unsigned) => {
    expect(Buffer.from(signedContent(hex(value))).toString('hex')).toBe(signed);
    expect(Buffer.from(unsignedContent(hex(value))).toString('hex')).toBe(unsigned);
  });
});
