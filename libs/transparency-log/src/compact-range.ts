import { TransparencyLogError } from './errors.ts';
import { equalBytes, requireSize } from './fields.ts';
import { nodeHash, requireHash } from './merkle-hash.ts';
import { completeSubtrees, foldSubtrees, type SubtreeHash } from './subtrees.ts';

/**
 * The tree head of a growing log, without its entries: it holds one hash for each one-bit of its size, at most 63.
 * A log that appends, and a verifier that reads along, need no more.
 */
export class CompactRange {
  #size: bigint;
  /** Of the complete subtrees, the largest first. */
  readonly #hashes: Uint8Array[];

  private constructor(size: bigint, hashes: readonly Uint8Array[]) {
    this.#size = size;
    this.#hashes = [...hashes];
  }

  static empty(): CompactRange {
    return new CompactRange(0n, []);
  }

  /** Goes on from a `size` and the `hashes` that were kept with it. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
  static from(size: bigint, hashes: readonly Uint8Array[]): CompactRange {
    requireSize(size, 'size');
    const expected = completeSubtrees({ start: 0n, end: size }).length;
    if (hashes.length !== expected) {
      throw new TransparencyLogError(
        'TLOG_MALFORMED',
        `compact range of size ${size}: expected ${expected} hashes, got ${hashes.length}`,
      );
    }
    for (const hash of hashes) requireHash(hash, 'hash of a compact range');
    return new CompactRange(size, hashes);
  }

  /** Reads the head of a log of `size` entries, from tiles for example; compare its root with the checkpoint's. */
  static read(size: bigint, subtreeHash: SubtreeHash): CompactRange {
    requireSize(size, 'size');
    return CompactRange.from(size, completeSubtrees({ start: 0n, end: size }).map(subtreeHash));
  }

  /** Number of entries. */
  get size(): bigint {
    return this.#size;
  }

  /** The hashes to keep for `from`, the largest subtree first. */
  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }

  /** Appends an entry by its leaf hash, 32 bytes. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
  append(leafHash: Uint8Array): void {
    requireHash(leafHash, 'leaf hash');
    requireSize(this.#size + 1n, 'size');
    let hash = leafHash;
    // Like adding one to a binary number: each trailing one-bit is a subtree that completes a larger one.
    for (let rest = this.#size; (rest & 1n) === 1n; rest >>= 1n) hash = nodeHash(this.#hashes.pop()!, hash);
    this.#hashes.push(hash);
    this.#size += 1n;
  }

  /** Root of the tree, 32 bytes. */
  root(): Uint8Array {
    return foldSubtrees(this.#hashes);
  }

  /** Whether this is the tree with that root. */
  hasRoot(root: Uint8Array): boolean {
    return equalBytes(this.root(), root);
  }

  copy(): CompactRange {
    return new CompactRange(this.#size, this.#hashes);
  }
}
