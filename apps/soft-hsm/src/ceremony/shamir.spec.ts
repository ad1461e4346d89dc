import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createRandom } from '../random/random-source.ts';
import { combineShares, type Share, splitSecret } from './shamir.ts';

const random = createRandom();
const secret = Buffer.from('00112233445566778899AABBCCDDEEFF102030405060708090A0B0C0D0E0F0FF', 'hex');

/** All subsets of `size` of `items`. */
function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, n) => subsets(items.slice(n + 1), size - 1).map((rest) => [item, ...rest]));
}
const gives = (shares: readonly Share[]) => {
  try {
    return combineShares(shares).equals(secret);
  } catch (error) {
    expect(error).toMatchObject({ code: 'SOFT_HSM_SHARES' });
    return false;
  }
};

describe.each([
  [2, 2],
  [2, 3],
  [3, 5],
  [5, 7],
])('%d of %d', (threshold, count) => {
  const shares = splitSecret(secret, threshold, count, random);

  test('every subset of the threshold gives the secret, and larger ones do', () => {
    for (let size = threshold; size <= count; size += 1) {
      for (const subset of subsets(shares, size)) expect(gives(subset)).toBe(true);
    }
  });

  test('no smaller subset does, not even when it claims to be enough', () => {
    for (const subset of subsets(shares, threshold - 1)) {
      expect(gives(subset)).toBe(false);
      expect(gives(subset.map((share) => ({ ...share, threshold: threshold - 1 })))).toBe(false);
    }
  });
});

describe('shares are refused', () => {
  const [one, two, three] = splitSecret(secret, 3, 4, random) as [Share, Share, Share];
  const [other] = splitSecret(secret, 3, 4, random) as [Share];

  test.each<[string, Share[]]>([
    ['none', []],
    ['one twice', [one, two, two]],
    ['x = 0', [one, two, { ...three, x: 0 }]],
    ['x = 256', [one, two, { ...three, x: 256 }]],
    ['another set', [one, two, { ...other, x: 3 }]],
    ['another threshold', [one, two, { ...three, threshold: 2 }]],
    ['a changed byte', [one, two, { ...three, y: three.y.map((byte, n) => (n === 5 ? byte ^ 1 : byte)) }]],
    ['a changed place', [one, two, { ...three, x: 4 }]],
    ['another length', [one, two, { ...three, y: three.y.subarray(1) }]],
  ])('%s', (_, shares) => {
    expect(gives(shares)).toBe(false);
  });

  test.each([
    [1, 2],
    [3, 2],
    [2, 256],
    [0, 0],
  ])('%d of %d cannot be', (threshold, count) => {
    expect(() => splitSecret(secret, threshold, count, random)).toThrow();
  });
});

test('any secret comes back, from shares in any order', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.integer({ min: 2, max: 6 }),
      (bytes, threshold) => {
        const shares = splitSecret(bytes, threshold, threshold + 2, random).toReversed();
        expect([...combineShares(shares)]).toEqual([...bytes]);
      },
    ),
    { numRuns: 50 },
  );
});

test('a share alone says nothing: over many splits each of its bytes takes every value', () => {
  const seen = new Set<number>();
  for (let n = 0; n < 4000; n += 1) seen.add(splitSecret(Buffer.of(0x42), 2, 2, random)[0]!.y[0]!);
  expect(seen.size).toBe(256);
});
