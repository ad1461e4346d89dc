import {
  formatEntryBundle,
  parseEntryBundle,
  TransparencyLogError,
  tileWidth,
} from '@openkdh/transparency-log';
import type { Sql } from '../../database/database.ts';

/**
 * Entries that follow each other in the log and in one bundle, as one seal appended them: a row of log_entries. A row for
 * each entry would cost a load more than all else about sealing it.
 */
export interface EntryRun {
  /** The index of the first one. */
  first: bigint;
  /** Of the events that they are made of. */
  eventIds: bigint[];
  /** In the form of a bundle (C2SP tlog-tiles); null once only the archive has them. */
  entries: Buffer | null;
}

const columns = 'first_index as first, event_ids as "eventIds", entries';

/** Appends entries to a log of `size` entries. `eventIds`: of the event that each is made of. */
export async function insertEntryRuns(
  sql: Pick<Sql, 'query'>,
  size: bigint,
  eventIds: readonly bigint[],
  entries: readonly Uint8Array[],
): Promise<void> {
  for (let from = 0; from < entries.length; ) {
    const first = size + BigInt(from);
    const to = from + tileWidth - Number(first % BigInt(tileWidth));
    await sql.query(
      `insert into log_entries (first_index, event_ids, event_span, entries)
       select $1::bigint, $2::bigint[], int8range(min(id), max(id), '[]'), $3::bytea from unnest($2::bigint[]) as event(id)`,
      [first, `{${eventIds.slice(from, to).join()}}`, formatEntryBundle(entries.slice(from, to))],
      'insert-entries',
    );
    from = to;
  }
}

/** Of a bundle, as far as the log has it; in order. */
export function runsOfBundle(sql: Pick<Sql, 'query'>, index: bigint): Promise<EntryRun[]> {
  return sql.query<EntryRun>(
    `select ${columns} from log_entries where first_index >= $1 and first_index < $1 + 256 order by first_index`,
    [index * 256n],
  );
}

/** All that have an entry of one of these events; in order. */
export function runsOfEvents(sql: Pick<Sql, 'query'>, eventIds: readonly bigint[]): Promise<EntryRun[]> {
  return sql.query<EntryRun>(
    `select ${columns} from log_entries where first_index in (
       select run.first_index from unnest($1::bigint[]) as event(id)
       join log_entries run on run.event_span @> event.id and event.id = any(run.event_ids)
     ) order by first_index`,
    [eventIds],
  );
}

/** `undefined` for what is no bundle of entries. */
export function entriesIn(bundle: Uint8Array): Uint8Array[] | undefined {
  try {
    return parseEntryBundle(bundle);
  } catch (error) {
    if (error instanceof TransparencyLogError) return undefined;
    throw error;
  }
}
