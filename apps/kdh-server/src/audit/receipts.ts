import {
  formatReceipt,
  inclusionProof,
  inclusionTiles,
  leafHash,
  subtreeHashFromTiles,
} from '@openkdh/transparency-log';
import type { Sql } from '../database/database.ts';
import type { Archive } from './archive/archive.ts';
import { type StoredLeaf, withArchived } from './archive/archived-entries.ts';
import { type EntryRun, entriesIn, runsOfEvents } from './log/entry-runs.ts';
import { tileReader } from './log/tile-reader.ts';
import { newestCheckpoint } from './witnesses/cosignatures.ts';

/** An entry of the log that a signed checkpoint covers. */
export interface ProvenEntry {
  index: bigint;
  /** Canonical JSON. */
  entry: Buffer;
  proof: Uint8Array[];
}

/** What the log says of an attempt, proven to one checkpoint. */
export interface AttemptHistory {
  /** The signed note, with the cosignatures that it has. */
  checkpoint: Buffer;
  size: bigint;
  /** In the order of the log; at least one. */
  entries: ProvenEntry[];
}

/**
 * The whole history of an attempt; undefined as long as the newest checkpoint does not cover all of it.
 * @throws Problem ARCHIVE_AWAY, LOG_ARCHIVE_LACKS
 */
export async function readHistory(
  sql: Pick<Sql, 'query'>,
  archive: Archive | undefined,
  attemptId: string,
): Promise<AttemptHistory | undefined> {
  const newest = await newestCheckpoint(sql);
  if (!newest) return undefined;
  const { size, note } = newest;
  const events = await sql.query<{ id: bigint }>('select id from audit_event where attempt_id = $1', [
    attemptId,
  ]);
  const ids = new Set(events.map(({ id }) => id));
  const runs = await runsOfEvents(sql, [...ids]);
  const stored = runs.flatMap((run) => leavesOf(run, ids)).filter(({ index }) => index < size);
  if (stored.length === 0 || stored.length < events.length) return undefined;
  const leaves = await withArchived(archive, stored);
  const readTile = await tileReader(
    sql,
    leaves.flatMap(({ index }) => inclusionTiles(index, size)),
  );
  const subtreeHash = subtreeHashFromTiles(size, readTile);
  return {
    checkpoint: Buffer.from(note),
    size,
    entries: leaves.map(({ index, entry }) => ({
      index,
      entry,
      proof: inclusionProof(index, size, subtreeHash),
    })),
  };
}

/** Of a run, those that are made of one of these events. */
function leavesOf({ first, eventIds, entries }: EntryRun, wanted: ReadonlySet<bigint>): StoredLeaf[] {
  const held = entries && (entriesIn(entries) ?? []); // what is no bundle holds none of them
  return eventIds.flatMap((id, n) => {
    const entry = held === null ? null : held[n];
    return wanted.has(id) && entry !== undefined
      ? { index: first + BigInt(n), entry: entry && Buffer.from(entry) }
      : [];
  });
}

/** Who did it, of each entry; people as they stand in the log. */
export function actorsIn(history: AttemptHistory): string[] {
  return recordsIn(history).map(({ actor }) => actor);
}

/** What its entries say. */
export function recordsIn({ entries }: AttemptHistory): { actor: string }[] {
  return entries.map(({ entry }) => JSON.parse(entry.toString()) as { actor: string });
}

/** The `.tlog-proof` of an entry, to be kept beside it. */
export function receiptOf({ checkpoint }: AttemptHistory, { index, proof }: ProvenEntry): Buffer {
  return Buffer.from(formatReceipt({ index, proof, checkpoint }));
}

/**
 * A `.tlog-proof` that needs no entry beside it: `extra` is the leaf hash, so that it proves that an entry with this hash
 * is in the log, and shows any entry to be that one or not. It is what a QR code holds.
 */
export function standaloneReceiptOf(
  { checkpoint }: AttemptHistory,
  { index, proof, entry }: ProvenEntry,
): Buffer {
  return Buffer.from(formatReceipt({ index, proof, checkpoint, extra: leafHash(entry) }));
}
