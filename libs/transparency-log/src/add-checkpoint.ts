import { TransparencyLogError } from './errors.ts';
import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8, parseDecimal, requireSize } from './fields.ts';
import { requireHash } from './merkle-hash.ts';

/** What a log posts to a witness: C2SP tlog-witness, "add-checkpoint". */
export interface AddCheckpoint {
  /** Size of the checkpoint that the witness cosigned last, as far as the log knows; 0 if none. */
  readonly oldSize: bigint;
  /** Consistency proof from the old size, 32 bytes each, at most 63. */
  readonly proof: readonly Uint8Array[];
  /** The new checkpoint as a signed note. */
  readonly checkpoint: Uint8Array;
}

const maxProofHashes = 63;

/** The body of the request; called by a log. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): Uint8Array {
  requireSize(oldSize, 'old size');
  requireProofLength(proof.length);
  for (const hash of proof) requireHash(hash, 'hash of a consistency proof');
  const lines = [`old ${oldSize}`, ...proof.map(encodeBase64), ''];
  return Buffer.concat([encodeUtf8(lines.map((line) => `${line}\n`).join('')), checkpoint]);
}

/** Takes such a body apart, without trusting it; called by a witness. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpoint {
  const text = decodeUtf8(body, 'add-checkpoint');
  const end = text.indexOf('\n\n');
  const [old, ...proof] = text.slice(0, Math.max(end, 0)).split('\n');
  if (!old?.startsWith('old ')) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      'add-checkpoint: expected a line with the old size, the proof, an empty line, and a checkpoint',
    );
  }
  requireProofLength(proof.length);
  return {
    oldSize: parseDecimal(old.slice('old '.length), 'old size'),
    proof: proof.map((line) => {
      const hash = decodeBase64(line, 'hash of a consistency proof');
      requireHash(hash, 'hash of a consistency proof');
      return hash;
    }),
    checkpoint: encodeUtf8(text.slice(end + 2)),
  };
}

function requireProofLength(length: number): void {
  if (length > maxProofHashes) {
    throw new TransparencyLogError(
      'TLOG_HOSTILE_SIZE',
      `consistency proof: expected at most ${maxProofHashes} hashes, got ${length}`,
    );
  }
}
