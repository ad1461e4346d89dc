import { TransparencyLogError } from './errors.ts';
import { equalBytes, requireSize } from './fields.ts';
import { nodeHash, requireHash } from './merkle-hash.ts';
import { type EntryRange, middleOf, rangeHash, type SubtreeHash } from './subtrees.ts';

/** What an inclusion proof is about: the entry with `leafHash` stands at `index` in the tree of `size` and `root`. */
export interface Inclusion {
  readonly index: bigint;
  readonly size: bigint;
  /** 32 bytes. */
  readonly leafHash: Uint8Array;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** 32 bytes each, the leaf's sibling first, at most 63. */
  readonly proof: readonly Uint8Array[];
}

/** The subtrees beside the path from a leaf to the root, the leaf's sibling first. */
export function inclusionRanges(index: bigint, size: bigint): EntryRange[] {
  requireIndex(index, size);
  const ranges: EntryRange[] = [];
  for (let [start, end] = [0n, size]; end - start > 1n; ) {
    const middle = middleOf({ start, end });
    if (index < middle) {
      ranges.unshift({ start: middle, end });
      end = middle;
    } else {
      ranges.unshift({ start, end: middle });
      start = middle;
    }
  }
  return ranges;
}

/** Proof that the entry at `index` is in the tree of `size`: RFC 9162, 2.1.3.1. @throws TLOG_HOSTILE_SIZE */
export function inclusionProof(index: bigint, size: bigint, subtreeHash: SubtreeHash): Uint8Array[] {
  return inclusionRanges(index, size).map((range) => rangeHash(range, subtreeHash));
}

/**
 * Verifies an inclusion proof: RFC 9162, 2.1.3.2. The root must come from a checkpoint that was verified.
 * @throws TLOG_NOT_INCLUDED; TLOG_MALFORMED (a hash of another length), TLOG_HOSTILE_SIZE (no such index)
 */
export function verifyInclusion({ index, size, leafHash, root, proof }: Inclusion): void {
  requireIndex(index, size);
  requireHash(leafHash, 'leaf hash');
  requireHash(root, 'root');
  let node = index;
  let last = size - 1n;
  let hash = leafHash;
  for (const sibling of proof) {
    requireHash(sibling, 'hash of an inclusion proof');
    if (last === 0n) throw notIncluded(index, size);
    if ((node & 1n) === 1n || node === last) {
      hash = nodeHash(sibling, hash);
      // The last node of a level may have no sibling: go up to where it is a right child.
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n || !equalBytes(hash, root)) throw notIncluded(index, size);
}

function requireIndex(index: bigint, size: bigint): void {
  requireSize(size, 'size');
  requireSize(index, 'index');
  if (index >= size) {
    throw new TransparencyLogError('TLOG_HOSTILE_SIZE', `index ${index}: the tree has ${size} entries`);
  }
}

function notIncluded(index: bigint, size: bigint): TransparencyLogError {
  return new TransparencyLogError(
    'TLOG_NOT_INCLUDED',
    `the proof does not lead from this entry at index ${index} to the root of ${size} entries`,
  );
}
