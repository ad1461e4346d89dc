import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { readIntegers, signedContent, unsignedContent, writeIntegers } from './der.ts';

/**
 * RSA private keys as a payShield keeps them: a SEQUENCE of five unsigned INTEGERs p, q, d mod (p−1), d mod (q−1) and
 * q⁻¹ mod p. Modulus and exponents are not in it and are computed when the key is opened.
 */

/** e = 65537. */
export const publicExponent = 0x10001;

export interface RsaKeyPair {
  /** PKCS#1 RSAPublicKey, DER. */
  publicKey: Buffer;
  /** The five INTEGERs, DER. The caller wipes them. */
  crt: Buffer;
}

/** Runs outside the event loop. The prime numbers come from OpenSSL's generator: it takes no other. */
export function generateRsaKeyPair(modulusBits: number): Promise<RsaKeyPair> {
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', { modulusLength: modulusBits, publicExponent }, (error, publicKey, privateKey) => {
      if (error) return reject(error);
      const pkcs1 = privateKey.export({ format: 'der', type: 'pkcs1' });
      // RSAPrivateKey, RFC 8017, A.1.2: version n e d p q dP dQ qInv
      const crt = writeIntegers(readIntegers(pkcs1)!.slice(4).map(unsignedContent));
      wipe(pkcs1);
      resolve({ publicKey: publicKey.export({ format: 'der', type: 'pkcs1' }), crt });
    });
  });
}

/**
 * A key that node:crypto can sign with. Refuses with 49 what is no such SEQUENCE, or not consistent.
 * The numbers pass through BigInt, whose memory cannot be wiped: as docs/hsm.md says, JavaScript gives no erasure.
 */
export function importRsaPrivateKey(crt: Uint8Array): KeyObject {
  const numbers = readIntegers(crt)?.map(toBigInt);
  if (numbers?.length !== 5) throw new Refusal('49', 'the private key is not a SEQUENCE of five INTEGERs');
  const [p, q, dp, dq, qInverse] = numbers as [bigint, bigint, bigint, bigint, bigint];
  if (p < 3n || q < 3n || p % 2n === 0n || q % 2n === 0n) throw new Refusal('49', 'the primes are not odd');
  const e = inverse(dp, p - 1n);
  const d = e === undefined ? undefined : inverse(e, (p - 1n) * (q - 1n));
  if (e === undefined || d === undefined || d % (q - 1n) !== dq || (q * qInverse) % p !== 1n) {
    throw new Refusal('49', 'the parts of the private key do not fit together');
  }
  const parts = [0n, p * q, e, d, p, q, dp, dq, qInverse].map((value) => signedContent(toBytes(value)));
  const pkcs1 = writeIntegers(parts);
  try {
    return createPrivateKey({ key: pkcs1, format: 'der', type: 'pkcs1' });
  } catch {
    throw new Refusal('49', 'the private key is not an RSA key');
  } finally {
    wipe(pkcs1, ...parts);
  }
}

/** The x with a·x ≡ 1 (mod m), or `undefined` if there is none. Extended Euclid. */
function inverse(a: bigint, m: bigint): bigint | undefined {
  let [r0, r1] = [m, a % m];
  let [t0, t1] = [0n, 1n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1] = [r1, r0 - quotient * r1];
    [t0, t1] = [t1, t0 - quotient * t1];
  }
  if (r0 !== 1n) return undefined;
  return t0 < 0n ? t0 + m : t0;
}

const wordBytes = 8;

/** Without a string in between: a string of key material stays in memory. */
function toBigInt(magnitude: Uint8Array): bigint {
  let value = 0n;
  for (const byte of magnitude) value = (value << 8n) | BigInt(byte);
  return value;
}

function toBytes(value: bigint): Buffer {
  const words: bigint[] = [];
  for (let rest = value; rest > 0n || words.length === 0; rest >>= 64n)
    words.unshift(rest & 0xffff_ffff_ffff_ffffn);
  const bytes = Buffer.alloc(words.length * wordBytes);
  words.forEach((word, n) => {
    bytes.writeBigUInt64BE(word, n * wordBytes);
  });
  return bytes;
}
