import { emptyRoot, nodeHash } from './merkle-hash.ts';

/** The entries of a subtree of a log: from `start` up to, not including, `end`. */
export interface EntryRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** A complete subtree: the 2^level entries from index · 2^level on. Its hash never changes while the log grows. */
export interface Subtree {
  readonly level: number;
  readonly index: bigint;
}

/** Looks up the hash of a complete subtree, 32 bytes: see `subtreeHashFromTiles`. */
export type SubtreeHash = (subtree: Subtree) => Uint8Array;

/** The complete subtrees, the largest first, that make up a subtree of a log; RFC 9162, 2.1.1 splits it so. */
export function completeSubtrees({ start, end }: EntryRange): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let at = start; at < end; ) {
    const level = bitLength(end - at) - 1;
    subtrees.push({ level, index: at >> BigInt(level) });
    at += 1n << BigInt(level);
  }
  return subtrees;
}

/** MTH of a subtree with one or more entries: RFC 9162, 2.1.1. */
export function rangeHash(range: EntryRange, subtreeHash: SubtreeHash): Uint8Array {
  return foldSubtrees(completeSubtrees(range).map(subtreeHash));
}

/** MTH from the hashes of the complete subtrees, the largest first: each splits off at the left of the rest. */
export function foldSubtrees(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return emptyRoot();
  return hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** MTH of a complete subtree from 2^n hashes of one level, from left to right. */
export function foldComplete(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    level = Array.from({ length: level.length / 2 }, (_, n) => nodeHash(level[2 * n]!, level[2 * n + 1]!));
  }
  return level[0]!;
}

/** Where RFC 9162, 2.1.1 splits a range of two or more entries: after the largest power of two smaller than it. */
export function middleOf({ start, end }: EntryRange): bigint {
  return start + (1n << BigInt(bitLength(end - start - 1n) - 1));
}

/** How many binary digits a positive number has. */
function bitLength(value: bigint): number {
  return value < 0x1_0000_0000n ? 32 - Math.clz32(Number(value)) : 32 + bitLength(value >> 32n);
}
