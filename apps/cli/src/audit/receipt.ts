import { readFile } from 'node:fs/promises';
import {
  hashBytes,
  leafHash,
  openCheckpoint,
  parseReceipt,
  TransparencyLogError,
  verifyInclusion,
} from '@openkdh/transparency-log';
import { defineCommand } from '../command.ts';
import { onFile } from '../files.ts';
import { optional, text } from '../members.ts';
import { readVerifierKey } from '../verifier-key.ts';
import {
  type Cosigned,
  cosignaturesIn,
  readWitnesses,
  trustIn,
  witnessMembers,
  wordsForWitnesses,
} from './trust.ts';

interface VerifiedReceipt {
  readonly origin: string;
  /** Decimal: entries of the log. */
  readonly size: string;
  /** Decimal: of the entry. */
  readonly index: string;
  /** Hex. */
  readonly leafHash: string;
  /** If witnesses were named. */
  readonly cosigned?: readonly Cosigned[];
}

export const verifyReceiptFile = defineCommand({
  name: 'audit receipt',
  summary:
    'Verifies the receipt of one entry with no network: a .tlog-proof, as a file or out of its QR code.',
  positional: 'receipt',
  members: {
    receipt: text('file with the receipt'),
    key: text('verifier key of the log that you have kept: a file, or the key itself'),
    entry: optional(
      text('file with the entry; without it, the leaf hash in the receipt stands for the entry'),
    ),
    ...witnessMembers,
  },
  async run({ receipt, key, entry, witness, quorum }): Promise<VerifiedReceipt> {
    const trust = {
      ...trustIn(await readVerifierKey(key, 'key')),
      ...(await readWitnesses(witness, quorum)),
    };
    const {
      index,
      proof,
      checkpoint: note,
      extra,
    } = parseReceipt(await onFile('receipt', readFile(receipt)));
    const { checkpoint, signatures } = openCheckpoint(note, trust);
    const hash =
      entry === undefined ? requireLeafHash(extra) : leafHash(await onFile('entry', readFile(entry)));
    verifyInclusion({ index, size: checkpoint.size, leafHash: hash, root: checkpoint.root, proof });
    return {
      origin: checkpoint.origin,
      size: String(checkpoint.size),
      index: String(index),
      leafHash: Buffer.from(hash).toString('hex').toUpperCase(),
      ...(witness !== undefined && { cosigned: cosignaturesIn(signatures) }),
    };
  },
  text: ({ origin, size, index, leafHash: hash, cosigned }, { entry }) =>
    `The log ${origin} has ${size} entries: its key signed that.\n` +
    (cosigned === undefined ? '' : `${wordsForWitnesses(cosigned)}\n`) +
    (entry === undefined
      ? `The one at ${index} has the leaf hash ${hash}. Not verified: what it says; compare the hash with that of the entry.\n`
      : `The one at ${index} is this entry, unchanged; its leaf hash is ${hash}.\n`),
});

function requireLeafHash(extra: Uint8Array | undefined): Uint8Array {
  if (extra?.length === hashBytes) return extra;
  throw new TransparencyLogError(
    'TLOG_MALFORMED',
    'the receipt has no leaf hash in its line extra; give it the entry',
  );
}
