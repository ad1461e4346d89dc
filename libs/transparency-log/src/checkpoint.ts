import { verifyConsistency } from './consistency.ts';
import { TransparencyLogError } from './errors.ts';
import { decodeBase64, encodeBase64, equalBytes, parseDecimal, requireSize } from './fields.ts';
import { emptyRoot, requireHash } from './merkle-hash.ts';
import {
  formatNote,
  type NoteSignature,
  type NoteSigner,
  openNote,
  parseNote,
  signText,
  type VerifiedSignature,
} from './signed-note.ts';
import type { VerifierKey } from './verifier-key.ts';

/** What a log says of itself at a size. C2SP tlog-checkpoint, "Note text". */
export interface Checkpoint {
  /** Names the log, for ever: one line. */
  readonly origin: string;
  /** Number of entries. */
  readonly size: bigint;
  /** Root of the tree of that size, 32 bytes. */
  readonly root: Uint8Array;
  /** Lines that nobody checks; C2SP advises against them. */
  readonly extensions?: readonly string[];
}

/** Whom a reader of checkpoints trusts, known to them before and from elsewhere. */
export interface CheckpointTrust {
  readonly origin: string;
  /** One of them must have signed. */
  readonly logKeys: readonly VerifierKey[];
  /** Keys of type cosignature/v1. */
  readonly witnesses: readonly VerifierKey[];
  /** How many different witnesses must have cosigned. */
  readonly quorum: number;
}

/** A checkpoint whose signatures were verified. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** By the log and by witnesses that are trusted. */
  readonly signatures: readonly VerifiedSignature[];
}

/** The note text of a checkpoint. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function formatCheckpoint({ origin, size, root, extensions = [] }: Checkpoint): string {
  requireSize(size, 'size');
  requireHash(root, 'root');
  if ([origin, ...extensions].some((line) => line === '' || line.includes('\n'))) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      'checkpoint: expected origin and extensions of one line each',
    );
  }
  return [origin, size, encodeBase64(root), ...extensions].map((line) => `${line}\n`).join('');
}

/** Reads a note text as a checkpoint; whether it is signed is another question. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  const rest = lines.pop();
  const [origin, size, root, ...extensions] = lines;
  if (size === undefined || root === undefined || !origin || extensions.includes('') || rest !== '') {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      'checkpoint: expected origin, size and root, a line each',
    );
  }
  const rootBytes = decodeBase64(root, 'root of a checkpoint');
  requireHash(rootBytes, 'root of a checkpoint');
  return {
    origin,
    size: parseDecimal(size, 'size of a checkpoint'),
    root: rootBytes,
    ...(extensions.length > 0 && { extensions }),
  };
}

/** Signs a checkpoint, 'ed25519' or 'ecdsa-sha256'; the bytes are the note. @throws as `signText` */
export async function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): Promise<Uint8Array> {
  const text = formatCheckpoint(checkpoint);
  return formatNote({ text, signatures: [await signText(text, signer)] });
}

/**
 * Cosigns the checkpoint in a note; called by a witness, after it has verified the note and the growth.
 * `timestampSeconds`: since 1970-01-01. @throws as `signText`
 */
export async function cosignCheckpoint(
  note: Uint8Array,
  signer: NoteSigner,
  timestampSeconds: bigint,
): Promise<NoteSignature> {
  const { text } = parseNote(note);
  parseCheckpoint(text);
  return signText(text, signer, timestampSeconds);
}

/** Puts signatures under a note, in place of older ones by the same keys. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function addSignatures(note: Uint8Array, signatures: readonly NoteSignature[]): Uint8Array {
  const { text, signatures: present } = parseNote(note);
  const isNew = ({ name, keyId }: NoteSignature) =>
    !signatures.some((added) => added.name === name && added.keyId === keyId);
  return formatNote({ text, signatures: [...present.filter(isNew), ...signatures] });
}

/**
 * Reads a checkpoint that is signed by its log and cosigned by enough witnesses.
 * @throws TLOG_WRONG_ORIGIN, TLOG_UNSIGNED, TLOG_BAD_SIGNATURE, TLOG_WITNESS_QUORUM; TLOG_MALFORMED, TLOG_HOSTILE_SIZE
 */
export function openCheckpoint(note: Uint8Array, trust: CheckpointTrust): OpenedCheckpoint {
  const { origin } = parseCheckpoint(parseNote(note).text);
  if (origin !== trust.origin) {
    throw new TransparencyLogError(
      'TLOG_WRONG_ORIGIN',
      `checkpoint: expected the log ${trust.origin}, got another`,
    );
  }
  const { text, signatures } = openNote(note, [...trust.logKeys, ...trust.witnesses]);
  if (!signatures.some(({ key }) => trust.logKeys.includes(key))) {
    throw new TransparencyLogError('TLOG_UNSIGNED', 'checkpoint: signed by witnesses, not by its log');
  }
  // By public key: a cosignature does not name its witness, so one key could stand there under two names.
  const cosignatures = signatures.filter(
    ({ key, timestampSeconds }) => trust.witnesses.includes(key) && timestampSeconds !== undefined,
  );
  const cosigners = new Set(cosignatures.map(({ key }) => encodeBase64(key.publicKey)));
  if (cosigners.size < trust.quorum) {
    throw new TransparencyLogError(
      'TLOG_WITNESS_QUORUM',
      `checkpoint: expected cosignatures of ${trust.quorum} witnesses, got ${cosigners.size}`,
    );
  }
  return { checkpoint: parseCheckpoint(text), signatures };
}

/**
 * Verifies that a log only grew from one checkpoint to a later one. Both must have been opened before.
 * From an empty log no proof is needed. @throws TLOG_WRONG_ORIGIN, TLOG_TAIL_CUT, TLOG_FORK, TLOG_MALFORMED
 */
export function verifyGrowth(older: Checkpoint, newer: Checkpoint, proof: readonly Uint8Array[]): void {
  if (older.origin !== newer.origin) {
    throw new TransparencyLogError('TLOG_WRONG_ORIGIN', 'growth: the two checkpoints are of different logs');
  }
  if (older.size > 0n) {
    verifyConsistency({ size1: older.size, size2: newer.size, root1: older.root, root2: newer.root, proof });
  } else if (
    !equalBytes(older.root, emptyRoot()) ||
    (newer.size === 0n && !equalBytes(newer.root, older.root))
  ) {
    throw new TransparencyLogError('TLOG_FORK', 'growth: a tree without entries has another root');
  } else if (proof.length > 0) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `growth from size 0: expected no proof, got ${proof.length}`,
    );
  }
}
