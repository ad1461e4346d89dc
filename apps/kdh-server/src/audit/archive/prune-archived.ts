import { tilePath } from '@openkdh/transparency-log';
import pg from 'pg';
import type { PruneConfig } from '../../config/config.ts';
import type { Sql } from '../../database/database.ts';
import { appendAuditEvents } from '../audit-event.ts';
import { tileReader } from '../log/tile-reader.ts';
import { type Archive, entriesPath, isBundleOf, openArchive } from './archive.ts';
import { storedBundle } from './archive-bundles.ts';
import { ArchiveError } from './archive-error.ts';

/** Given up in one transaction, with one event: 65,536 entries. */
const BUNDLES_PER_TRANSACTION = 256n;

/** Entries that the database has given up: from `first` to before `end`. */
export interface Pruned {
  first: bigint;
  end: bigint;
}

/**
 * Empties the entries in the database that the archive has and that were signed for more than `keepDays` days, as the owner
 * of the tables: the application's role cannot. Each bundle is read back from the archive and held against the
 * hashes of the log first. The hashes stay, and of each entry its index and event, so that every proof can still be made.
 * The act is recorded, `log.pruned`. Returns what was given up, in order.
 * @throws ArchiveError at the first bundle that is not right; what was given up before it stays so
 */
export async function pruneArchived(config: PruneConfig, keepDays: number): Promise<Pruned[]> {
  const archive = openArchive(config.KDH_LOG_ARCHIVE);
  const client = new pg.Client({ connectionString: config.KDH_MIGRATION_DATABASE_URL });
  await client.connect();
  const sql = {
    query: async <Row>(text: string, values: unknown[] = []) =>
      (await client.query(text, values)).rows as Row[],
  };
  try {
    const { from, until } = await bundlesToPrune(sql, config.KDH_LOG_ARCHIVE, keepDays);
    const pruned: Pruned[] = [];
    for (let first = from; first < until; first += BUNDLES_PER_TRANSACTION) {
      const end = until < first + BUNDLES_PER_TRANSACTION ? until : first + BUNDLES_PER_TRANSACTION;
      for (let bundle = first; bundle < end; bundle++) await requireArchived(sql, archive, bundle);
      const range = { first: first * 256n, end: end * 256n };
      await prune(sql, config, range);
      pruned.push(range);
    }
    return pruned;
  } finally {
    await client.end(); // what was not committed is rolled back
  }
}

type Query = Pick<Sql, 'query'>;

/** By the number of a bundle, from `from` to before `until`. */
async function bundlesToPrune(
  sql: Query,
  location: string,
  keepDays: number,
): Promise<{ from: bigint; until: bigint }> {
  const [archived] = await sql.query<{ size: bigint; pruned: bigint }>(
    'select size, pruned from log_archive where location = $1',
    [location],
  );
  const [old] = await sql.query<{ size: bigint }>(
    `select size from log_checkpoint where created_at <= now() - $1 * interval '1 day' order by size desc limit 1`,
    [keepDays],
  );
  if (!archived || !old) return { from: 0n, until: 0n };
  const size = archived.size < old.size ? archived.size : old.size;
  return { from: archived.pruned / 256n, until: size / 256n };
}

/** @throws ArchiveError */
async function requireArchived(sql: Query, archive: Archive, index: bigint): Promise<void> {
  const tile = { level: 0, index, width: 256 };
  const hashes = (await tileReader(sql, [tile]))(tile);
  const ours = await storedBundle(sql, index);
  if (ours && !isBundleOf(hashes, ours)) {
    throw new ArchiveError(
      'LOG_DIFFERS',
      `${entriesPath(index)}: the entries in the database are not those of its tiles`,
    );
  }
  const bundle = await archive.get(entriesPath(index));
  if (!bundle || !isBundleOf(hashes, bundle)) {
    throw new ArchiveError(
      'ARCHIVE_DIFFERS',
      `${entriesPath(index)}: the archive does not have these entries`,
    );
  }
  const archivedHashes = await archive.get(tilePath(tile));
  if (!archivedHashes || !Buffer.from(archivedHashes).equals(hashes)) {
    throw new ArchiveError('ARCHIVE_DIFFERS', `${tilePath(tile)}: the archive does not have these hashes`);
  }
}

async function prune(sql: Query, config: PruneConfig, { first, end }: Pruned): Promise<void> {
  await sql.query('begin');
  await sql.query(
    'update log_entries set entries = null where first_index >= $1 and first_index < $2 and entries is not null',
    [first, end],
  );
  await sql.query('update log_archive set pruned = $2 where location = $1', [config.KDH_LOG_ARCHIVE, end]);
  await appendAuditEvents(sql, [
    {
      type: 'log.pruned',
      actor: `node:${config.KDH_NODE_ID}`,
      body: { archive: config.KDH_LOG_ARCHIVE, first: Number(first), last: Number(end - 1n) },
    },
  ]);
  await sql.query('commit');
}
