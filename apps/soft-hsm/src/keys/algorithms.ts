import { kcvAes, kcvTdes } from '@openkdh/block-ciphers';

/** A symmetric key algorithm with its length, as the `#` group of A0 names it. */
export interface KeyAlgorithm {
  /** Algorithm field of a key block: D, T or A. */
  letter: 'D' | 'T' | 'A';
  keyBytes: 8 | 16 | 24 | 32;
  /** Security strength, NIST SP 800-57 part 1 rev. 5, table 2. */
  strengthBits: number;
}

export const keyAlgorithms = {
  D1: { letter: 'D', keyBytes: 8, strengthBits: 56 },
  T2: { letter: 'T', keyBytes: 16, strengthBits: 80 },
  T3: { letter: 'T', keyBytes: 24, strengthBits: 112 },
  A1: { letter: 'A', keyBytes: 16, strengthBits: 128 },
  A2: { letter: 'A', keyBytes: 24, strengthBits: 192 },
  A3: { letter: 'A', keyBytes: 32, strengthBits: 256 },
} as const satisfies Record<string, KeyAlgorithm>;

/** The algorithm of a key whose block says `letter`; `undefined` if it is not a symmetric key or has another length. */
export function keyAlgorithmOf(letter: string, keyBytes: number): KeyAlgorithm | undefined {
  return Object.values(keyAlgorithms).find((row) => row.letter === letter && row.keyBytes === keyBytes);
}

/** Check value, 3 bytes: encrypted zero block for DES and TDES, CMAC over a zero block for AES. */
export function checkValue(letter: KeyAlgorithm['letter'], key: Uint8Array): Uint8Array {
  if (letter === 'A') return kcvAes(key);
  return kcvTdes(letter === 'D' ? Buffer.concat([key, key]) : key);
}

/** The check value as answers carry it, 6 hex digits. */
export function checkValueHex({ letter }: KeyAlgorithm, key: Uint8Array): string {
  return Buffer.from(checkValue(letter, key)).toString('hex').toUpperCase();
}
