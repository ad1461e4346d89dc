import type { Checkpoint } from './checkpoint.ts';
import { CompactRange } from './compact-range.ts';
import { TransparencyLogError, type TransparencyLogErrorCode } from './errors.ts';
import { equalBytes } from './fields.ts';
import { leafHash } from './merkle-hash.ts';

/** A rule over the entries of a history, such as "no load is confirmed without two approvals". */
export interface EntryRule {
  /**
   * Called for each entry in the order of the log, while nothing is found wrong with its hash; throws a
   * TransparencyLogError, which is reported if the history itself turns out to be whole.
   */
  entry(entry: Uint8Array, index: bigint): void;
  /** Called after the last entry of a whole history. */
  end(): void;
}

export interface HistoryOptions {
  /** A checkpoint of the same log that the verifier has kept: the history must be its continuation. */
  readonly previous?: Checkpoint;
  readonly rules?: readonly EntryRule[];
}

/**
 * Verifies a whole history, from the first entry to a checkpoint, in memory that does not grow with it.
 *
 * It reads the entries and, beside them, the leaf hashes that the log has published (its level 0 tiles). The hashes
 * tell which entry is wrong, once they themselves are proven by the root that the checkpoint signs. Findings are
 * therefore reported at the end, the most basic first: what is there at all, whether it is what was signed, whether
 * it continues the previous checkpoint, and only then the rules.
 */
export class HistoryVerifier {
  readonly #checkpoint: Checkpoint;
  readonly #previous: Checkpoint | undefined;
  readonly #rules: readonly EntryRule[];
  /** Of the entries as they came. */
  readonly #entries = CompactRange.empty();
  /** Of the leaf hashes; the same object as `#entries` until the first that is not the hash of its entry. */
  #hashes = this.#entries;
  /** Index of that first one. */
  #firstDifference: bigint | undefined;
  #rootAtPrevious: Uint8Array | undefined;
  #brokenRule: TransparencyLogError | undefined;

  /**
   * Both checkpoints must have been opened with `openCheckpoint`.
   * @throws TLOG_WRONG_ORIGIN, TLOG_TAIL_CUT (smaller than the previous one), TLOG_FORK (of its size, another root)
   */
  constructor(checkpoint: Checkpoint, { previous, rules = [] }: HistoryOptions = {}) {
    if (previous !== undefined) requireContinuation(previous, checkpoint);
    this.#checkpoint = checkpoint;
    this.#previous = previous;
    this.#rules = rules;
    this.#keepPreviousRoot();
  }

  /**
   * The next entries, with their leaf hashes of 32 bytes: the contents of an entry bundle and of the level 0 tile
   * beside it, for example. Where something is missing, the arrays may differ in length.
   * @throws TLOG_MALFORMED (a hash of another length)
   */
  add(entries: readonly Uint8Array[], leafHashes: readonly Uint8Array[]): void {
    for (let n = 0; n < Math.max(entries.length, leafHashes.length); n++) {
      const entry = entries[n];
      const hash = entry && leafHash(entry);
      const published = leafHashes[n];
      const agree = hash !== undefined && published !== undefined && equalBytes(hash, published);
      if (!agree && this.#firstDifference === undefined) {
        this.#firstDifference = this.#entries.size;
        this.#hashes = this.#entries.copy();
      }
      if (this.#firstDifference === undefined) this.#checkRules(entry!);
      if (hash !== undefined) this.#entries.append(hash);
      if (published !== undefined && this.#hashes !== this.#entries) this.#hashes.append(published);
      this.#keepPreviousRoot();
    }
  }

  /**
   * Called after the last entry; returns only if everything holds.
   * @throws TLOG_TAIL_CUT, TLOG_ROOT_MISMATCH, TLOG_ENTRY_MISSING, TLOG_ENTRY_INSERTED, TLOG_ENTRY_ALTERED, TLOG_FORK;
   *   what the rules throw
   */
  end(): void {
    this.#requireWhole();
    if (!this.#continuesPrevious()) {
      const { size } = this.#previous!;
      throw refusal('TLOG_FORK', `the history has other ${size} first entries than the previous checkpoint`);
    }
    if (this.#brokenRule !== undefined) throw this.#brokenRule;
    for (const rule of this.#rules) rule.end();
  }

  /** Whether the entries are exactly those of the checkpoint, and if not, how they differ. */
  #requireWhole(): void {
    const { size, root } = this.#checkpoint;
    const [came, published, at] = [this.#entries.size, this.#hashes.size, this.#firstDifference];
    if (came === size && this.#entries.hasRoot(root)) {
      if (at === undefined) return;
      throw refusal('TLOG_ROOT_MISMATCH', `the entries are whole, but leaf hash ${at} is not of its entry`);
    }
    const lack = size - came;
    if (published !== size || !this.#hashes.hasRoot(root)) {
      // The leaf hashes prove nothing, so which entry is wrong cannot be told.
      if (lack > 0n && published < size) {
        if (this.#continuesPrevious()) throw tailCut(came, size);
        const before = this.#previous!.size;
        throw refusal('TLOG_ENTRY_MISSING', `${lack} entries are missing, one or more before ${before}`);
      }
      if (lack < 0n && published > size) {
        throw refusal('TLOG_ENTRY_INSERTED', `expected ${size} entries, the history goes on after them`);
      }
      throw refusal('TLOG_ROOT_MISMATCH', `the history has another root than the checkpoint of size ${size}`);
    }
    if (came === at) throw tailCut(came, size);
    if (lack > 0n) throw refusal('TLOG_ENTRY_MISSING', `${lack} entries are missing, the first at ${at}`);
    if (lack < 0n) throw refusal('TLOG_ENTRY_INSERTED', `${-lack} entries too many, the first at ${at}`);
    throw refusal('TLOG_ENTRY_ALTERED', `the entry at ${at} is not the one that the log holds there`);
  }

  #checkRules(entry: Uint8Array): void {
    if (this.#brokenRule !== undefined) return;
    try {
      for (const rule of this.#rules) rule.entry(entry, this.#entries.size);
    } catch (error) {
      if (!(error instanceof TransparencyLogError)) throw error;
      this.#brokenRule = error;
    }
  }

  /** Whether nothing is known to be wrong with the part that the previous checkpoint covers. */
  #continuesPrevious(): boolean {
    if (this.#previous === undefined || this.#rootAtPrevious === undefined) return true;
    return equalBytes(this.#rootAtPrevious, this.#previous.root);
  }

  #keepPreviousRoot(): void {
    if (this.#hashes.size === this.#previous?.size) this.#rootAtPrevious = this.#hashes.root();
  }
}

function requireContinuation(previous: Checkpoint, checkpoint: Checkpoint): void {
  if (previous.origin !== checkpoint.origin) {
    throw refusal('TLOG_WRONG_ORIGIN', 'the previous checkpoint is of another log');
  }
  if (previous.size > checkpoint.size) throw tailCut(checkpoint.size, previous.size);
  if (previous.size === checkpoint.size && !equalBytes(previous.root, checkpoint.root)) {
    throw refusal('TLOG_FORK', `two checkpoints of ${checkpoint.size} entries with different roots`);
  }
}

function tailCut(came: bigint, size: bigint): TransparencyLogError {
  return refusal('TLOG_TAIL_CUT', `expected ${size} entries, the history ends after ${came}`);
}

function refusal(code: TransparencyLogErrorCode, message: string): TransparencyLogError {
  return new TransparencyLogError(code, message);
}
