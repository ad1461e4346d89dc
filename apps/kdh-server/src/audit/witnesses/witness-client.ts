import {
  addSignatures,
  type CheckpointTrust,
  formatAddCheckpoint,
  type NoteSignature,
  openCheckpoint,
  parseSignatureLines,
  TransparencyLogError,
  type VerifierKey,
} from '@openkdh/transparency-log';
import type { WitnessAddress } from './witness-list.ts';

/** What a witness answered to add-checkpoint. C2SP tlog-witness. */
export type WitnessReply =
  | { readonly kind: 'cosigned'; readonly signature: NoteSignature; readonly timestampSeconds: bigint }
  /** 409: the size that it has cosigned. */
  | { readonly kind: 'size'; readonly size: bigint }
  /** 422: the proof does not lead from what it has cosigned to the checkpoint. */
  | { readonly kind: 'unproven' }
  /** It does not want this log, or cosigns with another key: somebody must set it right. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** No answer, or that of a machine in trouble. */
  | { readonly kind: 'away'; readonly detail: string };

/** What a witness is shown. */
export interface Submission {
  readonly oldSize: bigint;
  /** From the old size. */
  readonly proof: readonly Uint8Array[];
  /** A checkpoint, as its log signed it. */
  readonly note: Uint8Array;
}

const ANSWER_MILLISECONDS = 5_000;
/** A few cosignatures have room. */
const LONGEST_ANSWER = 16 * 1024;

/** Asks a witness to cosign; never throws for what a witness or the network does. */
export async function askWitness(
  { url, key }: WitnessAddress,
  submission: Submission,
  logKey: VerifierKey,
): Promise<WitnessReply> {
  const { oldSize, proof, note } = submission;
  const body = Buffer.from(formatAddCheckpoint({ oldSize, proof, checkpoint: note }));
  let status: number;
  let text: string;
  try {
    const signal = AbortSignal.timeout(ANSWER_MILLISECONDS);
    const response = await fetch(url, { method: 'POST', body, redirect: 'error', signal });
    status = response.status;
    text = await shortText(response);
  } catch (error) {
    return { kind: 'away', detail: reasonOf(error as Error) };
  }
  return readReply(status, text, { note, key, logKey });
}

/** Reads an answer: its status, and what stands in it. */
export function readReply(
  status: number,
  text: string,
  { note, key, logKey }: { note: Uint8Array; key: VerifierKey; logKey: VerifierKey },
): WitnessReply {
  switch (status) {
    case 200:
      return readCosignature(text, note, {
        origin: logKey.name,
        logKeys: [logKey],
        witnesses: [key],
        quorum: 1,
      });
    case 409:
      if (/^(?:0|[1-9]\d{0,18})\n$/.test(text)) return { kind: 'size', size: BigInt(text.trim()) };
      return { kind: 'refused', detail: 'answered 409 without a size' };
    case 422:
      return { kind: 'unproven' };
    case 403:
      return { kind: 'refused', detail: 'answered 403: it trusts another key of this log' };
    case 404:
      return { kind: 'refused', detail: 'answered 404: it does not serve this log' };
    default:
      return status >= 500
        ? { kind: 'away', detail: `answered ${status}` }
        : { kind: 'refused', detail: `answered ${status}` };
  }
}

function readCosignature(text: string, note: Uint8Array, trust: CheckpointTrust): WitnessReply {
  const [witness] = trust.witnesses;
  try {
    const signature = parseSignatureLines(text).find(
      ({ name, keyId }) => name === witness?.name && keyId === witness.keyId,
    );
    if (signature === undefined) return { kind: 'refused', detail: 'cosigned with another key' };
    const { signatures } = openCheckpoint(addSignatures(note, [signature]), trust);
    const verified = signatures.find(({ key }) => key === witness);
    return { kind: 'cosigned', signature, timestampSeconds: verified?.timestampSeconds ?? 0n };
  } catch (error) {
    if (!(error instanceof TransparencyLogError)) throw error;
    return { kind: 'refused', detail: `its cosignature is none: ${error.message}` };
  }
}

async function shortText(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > LONGEST_ANSWER) throw new Error(`its answer is longer than ${LONGEST_ANSWER} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** fetch says only "fetch failed"; the reason stands in its cause. */
function reasonOf(error: Error): string {
  return ((error.cause as Error | undefined) ?? error).message;
}
