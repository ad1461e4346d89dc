import { type CheckpointTrust, type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts';
import { TransparencyLogError } from './errors.ts';
import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8, parseDecimal, requireSize } from './fields.ts';
import { verifyInclusion } from './inclusion.ts';
import { leafHash, requireHash } from './merkle-hash.ts';

/** A `.tlog-proof`: all that is needed, beside the entry and trusted keys, to verify an entry offline. C2SP tlog-proof. */
export interface Receipt {
  /** Of the entry in the log. */
  readonly index: bigint;
  /** Inclusion proof, 32 bytes each. */
  readonly proof: readonly Uint8Array[];
  /** The checkpoint as a signed note. */
  readonly checkpoint: Uint8Array;
  /** Not covered by any signature. */
  readonly extra?: Uint8Array;
}

const header = 'c2sp.org/tlog-proof@v1';

/** The bytes of the file. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function formatReceipt({ index, proof, checkpoint, extra }: Receipt): Uint8Array {
  requireSize(index, 'index');
  for (const hash of proof) requireHash(hash, 'hash of a receipt');
  const lines = [
    header,
    ...(extra === undefined ? [] : [`extra ${encodeBase64(extra)}`]),
    `index ${index}`,
    ...proof.map(encodeBase64),
    '',
  ];
  return Buffer.concat([encodeUtf8(lines.map((line) => `${line}\n`).join('')), checkpoint]);
}

/** Takes a receipt apart, without trusting it. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const text = decodeUtf8(bytes, 'receipt');
  const end = text.indexOf('\n\n');
  const [first, ...lines] = text.slice(0, Math.max(end, 0)).split('\n');
  if (first !== header) {
    throw new TransparencyLogError('TLOG_MALFORMED', `receipt: expected the first line ${header}`);
  }
  const extra = lines[0]?.startsWith('extra ') ? lines.shift()!.slice('extra '.length) : undefined;
  const [index, ...proof] = lines;
  if (!index?.startsWith('index ')) {
    throw new TransparencyLogError('TLOG_MALFORMED', 'receipt: expected a line with the index');
  }
  return {
    index: parseDecimal(index.slice('index '.length), 'index of a receipt'),
    proof: proof.map((line) => {
      const hash = decodeBase64(line, 'hash of a receipt');
      requireHash(hash, 'hash of a receipt');
      return hash;
    }),
    checkpoint: encodeUtf8(text.slice(end + 2)),
    ...(extra !== undefined && { extra: decodeBase64(extra, 'extra data of a receipt') }),
  };
}

/**
 * Verifies that the log of a receipt holds the entry, and returns the checkpoint that says so.
 * @throws as `openCheckpoint` and `verifyInclusion`
 */
export function verifyReceipt(
  bytes: Uint8Array,
  entry: Uint8Array,
  trust: CheckpointTrust,
): OpenedCheckpoint {
  const { index, proof, checkpoint: note } = parseReceipt(bytes);
  const opened = openCheckpoint(note, trust);
  const { size, root } = opened.checkpoint;
  verifyInclusion({ index, size, leafHash: leafHash(entry), root, proof });
  return opened;
}
