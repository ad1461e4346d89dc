import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hex, numberedEntries } from '../test/sample-log.ts';
import {
  CompactRange,
  consistencyProof,
  inclusionProof,
  leafHash,
  maxSize,
  nodeHash,
  type SubtreeHash,
  verifyConsistency,
  verifyInclusion,
} from './index.ts';

const largest = 1000;
const leaves = numberedEntries(largest).map(leafHash);

/** MTH as RFC 9162, 2.1.1 defines it, with no regard to time. */
function treeHash(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0]!;
  let middle = 1;
  while (middle * 2 < hashes.length) middle *= 2;
  return nodeHash(treeHash(hashes.slice(0, middle)), treeHash(hashes.slice(middle)));
}

const range = CompactRange.empty();
/** The root of each size, from 0 on. */
const roots = [range.root()];
for (const leaf of leaves) {
  range.append(leaf);
  roots.push(range.root());
}

/** Hashes of the complete subtrees, level by level. */
const levels = [leaves];
for (let below = leaves; below.length > 1; below = levels.at(-1)!) {
  levels.push(
    Array.from({ length: below.length >> 1 }, (_, n) => nodeHash(below[2 * n]!, below[2 * n + 1]!)),
  );
}
const subtreeHash: SubtreeHash = ({ level, index }) => levels[level]![Number(index)]!;

function proveInclusion(index: number, size: number) {
  const proof = inclusionProof(BigInt(index), BigInt(size), subtreeHash);
  return { index: BigInt(index), size: BigInt(size), leafHash: leaves[index]!, root: roots[size]!, proof };
}

function proveConsistency(size1: number, size2: number) {
  const proof = consistencyProof(BigInt(size1), BigInt(size2), subtreeHash);
  return { size1: BigInt(size1), size2: BigInt(size2), root1: roots[size1]!, root2: roots[size2]!, proof };
}

/**
 * All numbers from 1 to `size`; above size 128 the largest two, the powers of two, and every 64th of the others, at a
 * place that changes with the size.
 */
function prefixesOf(size: number): number[] {
  const all = Array.from({ length: size }, (_, n) => n + 1);
  const isPowerOfTwo = (n: number) => (n & (n - 1)) === 0;
  return size <= 128 ? all : all.filter((n) => (n + size) % 64 === 0 || isPowerOfTwo(n) || size - n < 2);
}

// The digests were agreed with the recursive definitions of RFC 9162, 2.1.3.1 and 2.1.4.1 in Python; for all 500,500
// pairs see test/bench/transparency-log-agree.mjs.
const sizes = Array.from({ length: largest }, (_, n) => n + 1);

describe('every size to 1,000', () => {
  test('the compact range gives the root that RFC 9162, 2.1.1 defines', () => {
    for (const size of sizes.filter((n) => n <= 130 || n % 57 === 0)) {
      expect(hex(roots[size]!)).toBe(hex(treeHash(leaves.slice(0, size))));
    }
  });

  test('every leaf is included', () => {
    const digest = createHash('sha256');
    for (const size of sizes) {
      for (const prefix of prefixesOf(size)) {
        const inclusion = proveInclusion(prefix - 1, size);
        verifyInclusion(inclusion);
        for (const hash of inclusion.proof) digest.update(hash);
      }
    }
    expect(hex(digest.digest())).toBe('5712EE3DF5734E79B88A92A4F0C13CEC9D771546857A5F388F9A9F6C982EE763');
  });

  test('every prefix is consistent', () => {
    const digest = createHash('sha256');
    for (const size2 of sizes) {
      for (const size1 of prefixesOf(size2)) {
        const consistency = proveConsistency(size1, size2);
        verifyConsistency(consistency);
        for (const hash of consistency.proof) digest.update(hash);
      }
    }
    expect(hex(digest.digest())).toBe('79E91C88C5935260D81090D9E4B5D77A755A1BEBC05F78CCAF93554E6C832283');
  });
});

/** Two different numbers from 1 to 1,000, the smaller first. */
const twoSizes = fc
  .tuple(fc.integer({ min: 1, max: largest }), fc.integer({ min: 1, max: largest }))
  .filter(([a, b]) => a !== b)
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

const otherHash = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Every proof that differs from the given one in one place: a bit, a hash too few or too many, two in each other's place. */
function changedProofs(proof: readonly Uint8Array[], extra: Uint8Array, bit: number): Uint8Array[][] {
  const flipped = (hash: Uint8Array) =>
    hash.map((byte, n) => (n === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
  return [
    [...proof, extra],
    [extra, ...proof],
    ...proof.flatMap((hash, n) => [
      proof.with(n, flipped(hash)),
      proof.toSpliced(n, 1),
      ...(n > 0 ? [proof.with(n, proof[n - 1]!).with(n - 1, hash)] : []),
    ]),
  ];
}

describe('a change anywhere fails', () => {
  test('in an inclusion proof', () => {
    fc.assert(
      fc.property(twoSizes, otherHash, fc.nat(255), ([index, size], extra, bit) => {
        const inclusion = proveInclusion(index - 1, size);
        for (const proof of changedProofs(inclusion.proof, extra, bit)) {
          expect(() => verifyInclusion({ ...inclusion, proof })).toThrow('does not lead');
        }
        expect(() => verifyInclusion({ ...inclusion, leafHash: extra })).toThrow('does not lead');
        expect(() => verifyInclusion({ ...inclusion, root: extra })).toThrow('does not lead');
        expect(() => verifyInclusion({ ...inclusion, index: BigInt(index) })).toThrow(
          /does not lead|the tree has/,
        );
      }),
      { numRuns: 60 },
    );
  });

  test('in a consistency proof', () => {
    fc.assert(
      fc.property(twoSizes, otherHash, fc.nat(255), ([size1, size2], extra, bit) => {
        const consistency = proveConsistency(size1, size2);
        for (const proof of changedProofs(consistency.proof, extra, bit)) {
          expect(() => verifyConsistency({ ...consistency, proof })).toThrow('does not lead');
        }
        expect(() => verifyConsistency({ ...consistency, root1: extra })).toThrow('does not lead');
        expect(() => verifyConsistency({ ...consistency, root2: extra })).toThrow('does not lead');
        const { root1, root2 } = consistency;
        expect(() => verifyConsistency({ ...consistency, root1: root2, root2: root1 })).toThrow(
          'does not lead',
        );
      }),
      { numRuns: 60 },
    );
  });

  test('a proof longer than the tree is high, though it leads to the root', () => {
    const [low, high] = [leaves[0]!, nodeHash(leaves[1]!, leaves[2]!)];
    const tooHigh = { index: 0n, size: 1n, leafHash: high, root: nodeHash(low, high), proof: [low] };
    expect(() => verifyInclusion(tooHigh)).toThrow('does not lead');
    const consistency = proveConsistency(3, 7);
    expect(() =>
      verifyConsistency({
        ...consistency,
        root1: nodeHash(low, consistency.root1),
        root2: nodeHash(low, consistency.root2),
        proof: [...consistency.proof, low],
      }),
    ).toThrow('does not lead');
  });

  test('every wrong length of a hash', () => {
    const inclusion = proveInclusion(2, 7);
    const consistency = proveConsistency(3, 7);
    for (let length = 0; length <= 65; length++) {
      if (length === 32) continue;
      const hash = new Uint8Array(length);
      const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });
      expect(() => verifyInclusion({ ...inclusion, leafHash: hash })).toThrow(malformed);
      expect(() => verifyInclusion({ ...inclusion, root: hash })).toThrow(malformed);
      for (let n = 0; n < inclusion.proof.length; n++) {
        expect(() => verifyInclusion({ ...inclusion, proof: inclusion.proof.with(n, hash) })).toThrow(
          malformed,
        );
      }
      for (let n = 0; n < consistency.proof.length; n++) {
        expect(() => verifyConsistency({ ...consistency, proof: consistency.proof.with(n, hash) })).toThrow(
          malformed,
        );
      }
      expect(() => verifyConsistency({ ...consistency, root1: hash })).toThrow('does not lead');
      expect(() => verifyConsistency({ ...consistency, root2: hash })).toThrow('does not lead');
    }
  });
});

describe('sizes', () => {
  const inclusion = proveInclusion(2, 7);
  const consistency = proveConsistency(3, 7);
  const hostile = { code: 'TLOG_HOSTILE_SIZE' };

  test('an index is smaller than the size, both are from 0 to 2^63 - 1', () => {
    for (const [index, size] of [
      [0n, 0n],
      [7n, 7n],
      [-1n, 7n],
      [0n, -1n],
      [0n, 2n ** 63n],
      [2n ** 63n, 2n ** 64n],
    ] as const) {
      expect(() => verifyInclusion({ ...inclusion, index, size })).toThrow(expect.objectContaining(hostile));
      expect(() => inclusionProof(index, size, subtreeHash)).toThrow(expect.objectContaining(hostile));
    }
  });

  test('consistency starts at 1: an empty log is the beginning of every log', () => {
    for (const [size1, size2] of [
      [0n, 0n],
      [0n, 7n],
      [-1n, 7n],
      [-2n, -1n],
      [3n, 2n ** 63n],
    ] as const) {
      expect(() => verifyConsistency({ ...consistency, size1, size2 })).toThrow(
        expect.objectContaining(hostile),
      );
      expect(() => consistencyProof(size1, size2, subtreeHash)).toThrow(expect.objectContaining(hostile));
    }
  });

  test('a log does not shrink', () => {
    const cut = expect.objectContaining({
      code: 'TLOG_TAIL_CUT',
      message: 'the log had 7 entries and now has 3',
    });
    expect(() => verifyConsistency({ ...consistency, size1: 7n, size2: 3n })).toThrow(cut);
    expect(() => consistencyProof(7n, 3n, subtreeHash)).toThrow(cut);
  });

  test('equal sizes: equal roots and no proof', () => {
    const same = { size1: 7n, size2: 7n, root1: roots[7]!, root2: roots[7]!, proof: [] };
    expect(() => verifyConsistency(same)).not.toThrow();
    expect(() => verifyConsistency({ ...same, root2: roots[6]! })).toThrow(
      expect.objectContaining({ code: 'TLOG_FORK', message: 'two different trees of 7 entries' }),
    );
    expect(() => verifyConsistency({ ...same, proof: [roots[1]!] })).toThrow(
      expect.objectContaining({ code: 'TLOG_MALFORMED' }),
    );
  });

  test('the largest log: 63 hashes', () => {
    const any: SubtreeHash = () => leaves[0]!;
    const proof = inclusionProof(0n, maxSize, any);
    expect(proof).toHaveLength(63);
    expect(consistencyProof(1n, maxSize, any)).toHaveLength(63);
    expect(inclusionProof(maxSize - 1n, maxSize, any)).toHaveLength(62);
    const hashes = leaves.slice(0, 63);
    const root = hashes.reduce((hash, sibling) => nodeHash(hash, sibling), leaves[0]!);
    verifyInclusion({ index: 0n, size: maxSize, leafHash: leaves[0]!, root, proof: hashes });
  });
});
