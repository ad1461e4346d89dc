import { kcvAes, kcvTdes } from '@openkdh/block-ciphers';
import type { PlanEntry } from '@openkdh/terminal-protocol';

export type KeyAlgorithm = PlanEntry['algorithm'];

/**
 * Key length, and strength in bits: NIST SP 800-57 part 1 revision 5, 5.6.1.1, table 2. `header`: the algorithm in a
 * key block header, ANSI X9.143:2021, 6.3.2, table 3.
 */
export const keyAlgorithms = {
  T2: { header: 'T', keyBytes: 16, strengthBits: 80 },
  T3: { header: 'T', keyBytes: 24, strengthBits: 112 },
  A128: { header: 'A', keyBytes: 16, strengthBits: 128 },
  A192: { header: 'A', keyBytes: 24, strengthBits: 192 },
  A256: { header: 'A', keyBytes: 32, strengthBits: 256 },
} as const satisfies Record<KeyAlgorithm, { header: string; keyBytes: number; strengthBits: number }>;

/** The algorithm of a key of this length in a key block with this algorithm; undefined where there is none. */
export function keyAlgorithmOf(header: string, keyBytes: number): KeyAlgorithm | undefined {
  const names = Object.keys(keyAlgorithms) as KeyAlgorithm[];
  return names.find(
    (name) => keyAlgorithms[name].header === header && keyAlgorithms[name].keyBytes === keyBytes,
  );
}

/**
 * Check value of a key, as upper-case hex of as many digits as `announced`, which is what the KDH compares it with.
 * A legacy (TDES) check value has at most 6 digits (PCI PIN 15-1): a longer one that was announced can match nothing.
 */
export function checkValue(algorithm: KeyAlgorithm, key: Uint8Array, announced: string): string {
  const length = announced.length / 2;
  const value =
    keyAlgorithms[algorithm].header === 'A' ? kcvAes(key, length) : kcvTdes(key, Math.min(length, 3));
  return Buffer.from(value).toString('hex').toUpperCase();
}
