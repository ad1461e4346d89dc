import { type AddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts';
import { type Checkpoint, openCheckpoint, parseCheckpoint, verifyGrowth } from './checkpoint.ts';
import { TransparencyLogError } from './errors.ts';
import { equalBytes } from './fields.ts';
import { emptyRoot } from './merkle-hash.ts';
import { parseNote } from './signed-note.ts';
import type { VerifierKey } from './verifier-key.ts';

/** A log that a witness serves, and what it remembers of it. The origin is the name of the key. */
export interface WitnessedLog {
  readonly key: VerifierKey;
  /** The latest checkpoint that the witness cosigned; undefined: none yet. */
  readonly latest: Checkpoint | undefined;
}

/** A checkpoint that the log's key signed. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The signed note that it came in. */
  readonly note: Uint8Array;
}

/** What a witness answers, by HTTP status. C2SP tlog-witness, "add-checkpoint". */
export type WitnessAnswer =
  /** Consistent growth: to be recorded durably as the latest, and only then to be cosigned. */
  | { readonly status: 200; readonly signed: SignedCheckpoint }
  /** 400: no such request, or an old size above the new one. 403: not signed by the log's key. 404: no such log. */
  | { readonly status: 400 | 403 | 404; readonly reason: string }
  /**
   * The witness has cosigned another size, `latestSize`, and the log goes on from there. With `finding` the checkpoint
   * contradicts what was cosigned. FORK: of the same size, with another root, which proves misbehaviour, since the log's
   * key signed both. OLDER: smaller than what was cosigned, as after a log was restored from a backup, or made anew.
   */
  | {
      readonly status: 409;
      readonly latestSize: bigint;
      readonly signed: SignedCheckpoint;
      readonly finding?: 'FORK' | 'OLDER';
    }
  /** The proof does not lead from what was cosigned to the checkpoint: perhaps the log forked, perhaps only the proof is bad. */
  | { readonly status: 422; readonly signed: SignedCheckpoint; readonly finding: 'UNPROVEN' };

/**
 * What a witness answers to a request, from what it remembers: pure, so the caller must record a 200 before the next
 * request is judged, or two checkpoints might be cosigned that are not of one history. `body` may be anything.
 */
export function answerAddCheckpoint(
  body: Uint8Array,
  findLog: (origin: string) => WitnessedLog | undefined,
): WitnessAnswer {
  const request = readRequest(body);
  if ('reason' in request) return { status: 400, ...request };
  const log = findLog(request.origin);
  if (log === undefined) return { status: 404, reason: 'this witness does not serve a log of that origin' };
  const signed = openSigned(request.checkpoint, log.key);
  if (signed === undefined)
    return { status: 403, reason: 'the checkpoint is not signed by the key of its log' };

  const { checkpoint } = signed;
  const latest = log.latest ?? { origin: log.key.name, size: 0n, root: emptyRoot() };
  if (request.oldSize > checkpoint.size) {
    return { status: 400, reason: `the old size ${request.oldSize} is above the new one` };
  }
  const conflict = { status: 409, latestSize: latest.size, signed } as const;
  if (checkpoint.size === latest.size && !equalBytes(checkpoint.root, latest.root)) {
    return { ...conflict, finding: 'FORK' };
  }
  if (checkpoint.size < latest.size) return { ...conflict, finding: 'OLDER' };
  if (request.oldSize !== latest.size) return conflict;
  if (!grew(latest, checkpoint, request.proof)) return { status: 422, signed, finding: 'UNPROVEN' };
  return { status: 200, signed };
}

function readRequest(body: Uint8Array): (AddCheckpoint & { origin: string }) | { reason: string } {
  try {
    const request = parseAddCheckpoint(body);
    return { ...request, origin: parseCheckpoint(parseNote(request.checkpoint).text).origin };
  } catch (error) {
    if (error instanceof TransparencyLogError) return { reason: error.message };
    throw error;
  }
}

function openSigned(note: Uint8Array, key: VerifierKey): SignedCheckpoint | undefined {
  try {
    const trust = { origin: key.name, logKeys: [key], witnesses: [], quorum: 0 };
    return { checkpoint: openCheckpoint(note, trust).checkpoint, note };
  } catch (error) {
    if (error instanceof TransparencyLogError) return undefined;
    throw error;
  }
}

function grew(latest: Checkpoint, checkpoint: Checkpoint, proof: readonly Uint8Array[]): boolean {
  try {
    verifyGrowth(latest, checkpoint, proof);
    return true;
  } catch (error) {
    if (error instanceof TransparencyLogError) return false;
    throw error;
  }
}
