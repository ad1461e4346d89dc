import { TransparencyLogError } from './errors.ts';
import { equalBytes, requireSize } from './fields.ts';
import { nodeHash, requireHash } from './merkle-hash.ts';
import { type EntryRange, middleOf, rangeHash, type SubtreeHash } from './subtrees.ts';

/** What a consistency proof is about: the tree of `size1` and `root1` is how the one of `size2` and `root2` began. */
export interface Consistency {
  /** At least 1: that every tree begins empty needs no proof. */
  readonly size1: bigint;
  readonly size2: bigint;
  /** 32 bytes; a root of another length is never that of a tree. */
  readonly root1: Uint8Array;
  readonly root2: Uint8Array;
  /** 32 bytes each, at most 63; none if the sizes are equal. */
  readonly proof: readonly Uint8Array[];
}

/** The subtrees from which both roots can be computed, in the order of RFC 9162, 2.1.4.1. */
export function consistencyRanges(size1: bigint, size2: bigint): EntryRange[] {
  requireGrowth(size1, size2);
  const ranges: EntryRange[] = [];
  let [start, end] = [0n, size2];
  while (end !== size1) {
    const middle = middleOf({ start, end });
    if (size1 <= middle) {
      ranges.unshift({ start: middle, end });
      end = middle;
    } else {
      ranges.unshift({ start, end: middle });
      start = middle;
    }
  }
  // Where the older tree is itself a complete subtree of the newer one, its root is known already.
  return start === 0n ? ranges : [{ start, end }, ...ranges];
}

/** Proof that the tree of `size2` grew from that of `size1`: RFC 9162, 2.1.4.1. @throws TLOG_HOSTILE_SIZE, TLOG_TAIL_CUT */
export function consistencyProof(size1: bigint, size2: bigint, subtreeHash: SubtreeHash): Uint8Array[] {
  return consistencyRanges(size1, size2).map((range) => rangeHash(range, subtreeHash));
}

/**
 * Verifies a consistency proof: RFC 9162, 2.1.4.2. Both roots must come from checkpoints that were verified.
 * @throws TLOG_FORK; TLOG_TAIL_CUT (size1 > size2), TLOG_HOSTILE_SIZE (size1 = 0), TLOG_MALFORMED
 */
export function verifyConsistency({ size1, size2, root1, root2, proof }: Consistency): void {
  requireGrowth(size1, size2);
  for (const hash of proof) requireHash(hash, 'hash of a consistency proof');
  if (size1 === size2) {
    if (proof.length > 0) {
      throw new TransparencyLogError(
        'TLOG_MALFORMED',
        `consistency proof between equal sizes: expected no hash, got ${proof.length}`,
      );
    }
    if (!equalBytes(root1, root2)) {
      throw new TransparencyLogError('TLOG_FORK', `two different trees of ${size1} entries`);
    }
    return;
  }

  let node = size1 - 1n;
  let last = size2 - 1n;
  while ((node & 1n) === 1n) {
    node >>= 1n;
    last >>= 1n;
  }
  // Here `node` is the last complete subtree of the older tree; 0 means that it is the whole of it.
  const [seed, ...path] = node === 0n ? [root1, ...proof] : proof;
  if (seed === undefined) throw fork(size1, size2);
  let older = seed;
  let newer = seed;
  for (const hash of path) {
    if (last === 0n) throw fork(size1, size2);
    if ((node & 1n) === 1n || node === last) {
      older = nodeHash(hash, older);
      newer = nodeHash(hash, newer);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      newer = nodeHash(newer, hash);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n || !equalBytes(older, root1) || !equalBytes(newer, root2)) throw fork(size1, size2);
}

function requireGrowth(size1: bigint, size2: bigint): void {
  requireSize(size1, 'older size');
  requireSize(size2, 'newer size');
  if (size1 > size2) {
    throw new TransparencyLogError('TLOG_TAIL_CUT', `the log had ${size1} entries and now has ${size2}`);
  }
  if (size1 === 0n) {
    throw new TransparencyLogError('TLOG_HOSTILE_SIZE', 'older size: expected 1 or more, got 0');
  }
}

function fork(size1: bigint, size2: bigint): TransparencyLogError {
  return new TransparencyLogError(
    'TLOG_FORK',
    `the proof does not lead from the tree of ${size1} entries to that of ${size2}`,
  );
}
