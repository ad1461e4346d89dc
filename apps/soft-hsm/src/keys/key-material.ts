import { equalConstantTime, wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import type { Random } from '../random/random-source.ts';
import type { KeyAlgorithm } from './algorithms.ts';

/** NIST SP 800-67 rev. 2, 3.3.2: the weak and semi-weak DES keys, with odd parity. */
const weakDesKeys = [
  '0101010101010101',
  'FEFEFEFEFEFEFEFE',
  'E0E0E0E0F1F1F1F1',
  '1F1F1F1F0E0E0E0E',
  '011F011F010E010E',
  '1F011F010E010E01',
  '01E001E001F101F1',
  'E001E001F101F101',
  '01FE01FE01FE01FE',
  'FE01FE01FE01FE01',
  '1FE01FE00EF10EF1',
  'E01FE01FF10EF10E',
  '1FFE1FFE0EFE0EFE',
  'FE1FFE1FFE0EFE0E',
  'E0FEE0FEF1FEF1FE',
  'FEE0FEE0FEF1FEF1',
].map((hex) => Buffer.from(hex, 'hex'));

const desKeyBytes = 8;

/** A new random key, with odd parity if it is DES or TDES. The caller wipes it. */
export function generateKey(algorithm: KeyAlgorithm, random: Random): Buffer {
  for (;;) {
    const key = random(algorithm.keyBytes);
    if (algorithm.letter !== 'A') setOddParity(key);
    if (degeneracyOf(algorithm, key) === undefined) return key;
    wipe(key);
  }
}

/**
 * Refuses a key that protects less than its length promises: 11 for all zeros, a weak DES key and a three-key TDES key
 * of two keys, 75 for a single-length key posing as double or triple.
 */
export function requireSoundKey(algorithm: KeyAlgorithm, key: Uint8Array): void {
  const code = degeneracyOf(algorithm, key);
  if (code !== undefined) throw new Refusal(code, 'the key is weak, degenerate or all zeros');
}

function degeneracyOf({ letter }: KeyAlgorithm, key: Uint8Array): '11' | '75' | undefined {
  if (key.every((byte) => byte === key[0])) return '11';
  if (letter === 'A') return undefined;
  const parts = desKeysOf(key);
  try {
    if (parts.some((part) => weakDesKeys.some((weak) => equalConstantTime(weak, part)))) return '11';
    const [first, second, third] = parts;
    if (second === undefined) return undefined;
    if (equalConstantTime(first!, second) || (third && equalConstantTime(second, third))) return '75';
    return third && equalConstantTime(first!, third) ? '11' : undefined;
  } finally {
    wipe(...parts);
  }
}

/** The DES keys of a TDES key, with odd parity, so that they can be compared as DES uses them. */
function desKeysOf(key: Uint8Array): Buffer[] {
  return Array.from({ length: key.length / desKeyBytes }, (_, n) => {
    const part = Buffer.from(key.subarray(n * desKeyBytes, (n + 1) * desKeyBytes));
    setOddParity(part);
    return part;
  });
}

/** Sets the low bit of each byte so that the byte has an odd number of ones. */
export function setOddParity(key: Uint8Array): void {
  for (let n = 0; n < key.length; n += 1) key[n] = withOddParity(key[n]!);
}

export function hasOddParity(key: Uint8Array): boolean {
  return key.every((byte) => byte === withOddParity(byte));
}

function withOddParity(byte: number): number {
  let folded = byte >> 1;
  folded ^= folded >> 4;
  folded ^= folded >> 2;
  folded ^= folded >> 1;
  return (byte & 0xfe) | (~folded & 1);
}
