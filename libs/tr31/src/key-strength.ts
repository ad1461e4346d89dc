import { rowOf } from './tables.ts';

/**
 * Security strength in bits, NIST SP 800-57 part 1 and PCI PIN Security annex C (both from memory): 2-key TDES counts
 * 80 there, whatever its 112 bits.
 */
const symmetricStrength: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  D: { 8: 56 },
  T: { 16: 80, 24: 112 },
  A: { 16: 128, 24: 192, 32: 256 },
};

/** Shortest modulus or field in bits, and the strength from there on. */
const rsaStrength = [
  [15360, 256],
  [7680, 192],
  [3072, 128],
  [2048, 112],
  [1024, 80],
  [0, 0],
] as const;
const ecStrength = [
  [512, 256],
  [384, 192],
  [256, 128],
  [224, 112],
  [160, 80],
  [0, 0],
] as const;
const strongest = 256;

/** Strength in bits of a symmetric key of `keyBytes` bytes; undefined for a length that the algorithm does not have. */
export function strengthOfSymmetric(algorithm: string, keyBytes: number): number | undefined {
  if ('HIJ'.includes(algorithm)) return Math.min(8 * keyBytes, strongest); // HMAC: its length, SP 800-107
  return rowOf(symmetricStrength, algorithm)?.[keyBytes];
}

/** Strength in bits of an RSA modulus or an elliptic curve of `bits` bits. */
export function strengthOfAsymmetric(kind: 'RSA' | 'EC', bits: number): number {
  const table = kind === 'RSA' ? rsaStrength : ecStrength;
  return table.find(([least]) => bits >= least)![1];
}
