import { formatEntryBundle, type Tile } from '@openkdh/transparency-log';
import type { Sql } from '../../database/database.ts';
import { Problem } from '../../http/problem.ts';
import { entriesIn, runsOfBundle } from '../log/entry-runs.ts';
import { type Archive, entriesPath } from './archive.ts';
import type { ArchiveError } from './archive-error.ts';

/** An entry at its place in the log. */
export interface Leaf {
  index: bigint;
  /** Canonical JSON. */
  entry: Buffer;
}

/** A leaf as the database has it: `entry` is null once only the archive has it. */
export interface StoredLeaf {
  index: bigint;
  entry: Buffer | null;
}

/**
 * The leaves with the entries that the database has given up, from the archive. They are as the archive has them: whether
 * they are the log's is for whoever verifies.
 * @throws Problem ARCHIVE_AWAY, LOG_ARCHIVE_LACKS
 */
export async function withArchived(
  archive: Archive | undefined,
  stored: readonly StoredLeaf[],
): Promise<Leaf[]> {
  const bundles = new Map<bigint, Uint8Array[]>();
  const leaves: Leaf[] = [];
  for (const { index, entry } of stored) {
    if (entry) {
      leaves.push({ index, entry });
      continue;
    }
    const number = index / 256n;
    const entries = bundles.get(number) ?? (await archivedBundle(archive, number));
    bundles.set(number, entries);
    const archived = entries[Number(index % 256n)];
    if (!archived) throw lacks(index);
    leaves.push({ index, entry: Buffer.from(archived) });
  }
  return leaves;
}

async function archivedBundle(archive: Archive | undefined, number: bigint): Promise<Uint8Array[]> {
  const bundle = await archive?.get(entriesPath(number)).catch((error: ArchiveError) => {
    throw new Problem(503, error.code, error.message);
  });
  const entries = bundle && entriesIn(bundle);
  if (!entries) throw lacks(number * 256n);
  return entries;
}

function lacks(index: bigint): Problem {
  return new Problem(
    404,
    'LOG_ARCHIVE_LACKS',
    `entry ${index} was given up by the database and is not in KDH_LOG_ARCHIVE of this node`,
  );
}

/**
 * The first `width` entries of a bundle, in its form; fewer if the log has fewer. `undefined` if it has none of them, or has not grown
 * so far. @throws as {@link withArchived}
 */
export async function readBundle(
  sql: Pick<Sql, 'query'>,
  archive: Archive | undefined,
  { index, width }: Pick<Tile, 'index' | 'width'>,
): Promise<Uint8Array | undefined> {
  const [head] = await sql.query<{ size: bigint }>('select size from log_head');
  const runs = await runsOfBundle(sql, index);
  if (!head || head.size < index * 256n + BigInt(width) || runs.length === 0) return undefined;
  const held = runs.flatMap(({ entries }) => entries ?? []);
  const bundle = Buffer.concat(held);
  const entries = held.length < runs.length ? await archivedBundle(archive, index) : entriesIn(bundle);
  return entries ? formatEntryBundle(entries.slice(0, width)) : bundle; // what is none is for the auditor to see
}
