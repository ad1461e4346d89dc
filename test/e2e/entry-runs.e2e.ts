/** The entries of the log as the database keeps them: what a log of before becomes, and how entries are found. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatEntryBundle } from '@openkdh/transparency-log';
import pg from 'pg';
import type { DataSource, QueryRunner } from 'typeorm';
import { readBundle } from '../../apps/kdh-server/src/audit/archive/archived-entries.ts';
import { insertEntryRuns, runsOfEvents } from '../../apps/kdh-server/src/audit/log/entry-runs.ts';
import '../../apps/kdh-server/src/database/database.ts'; // int8 as bigint
import { openDataSource } from '../../apps/kdh-server/src/database/data-source.ts';
import { EntryRuns1766300000000 } from '../../apps/kdh-server/src/database/migrations/1766300000000-entry-runs.ts';
import { emptyDatabase, migrateTestDatabase, type TestDatabase } from '../support/postgres.ts';

/** Three full bundles, the first of which is pruned, and some entries more. */
const SIZE = 3 * 256 + 9;
const GIVEN_UP = 256;

/** Places and ids do not go together: events of many transactions, sealed as they committed. */
const leaves = Array.from({ length: SIZE }, (_, index) => ({
  index,
  event: 1_000 + (index ^ 5),
  entry: index < GIVEN_UP ? null : Buffer.from(`{"n":${index},"text":"${'x'.repeat(index)}"}`),
}));
const entriesOf = (first: number, end: number) =>
  leaves.slice(first, end).map(({ entry }) => entry as Buffer);

describe('a log with a row for each entry', () => {
  const migration = new EntryRuns1766300000000();
  let database: TestDatabase;
  let source: DataSource;
  let runner: QueryRunner;
  let client: pg.Client;
  const sql = {
    query: async <Row>(text: string, parameters: unknown[] = []) =>
      (await client.query(text, parameters)).rows as Row[],
  };
  const rowsBefore = async () =>
    (
      await client.query(
        'select leaf_index::int as index, event_id::int as event, entry from log_leaf order by leaf_index',
      )
    ).rows;

  beforeAll(async () => {
    database = await emptyDatabase();
    await migrateTestDatabase(database.url);
    source = await openDataSource(database.url);
    runner = source.createQueryRunner();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await migration.down(runner);
    for (const { index, event, entry } of leaves) {
      await client.query('insert into log_leaf values ($1, $2, $3)', [index, event, entry]);
    }
    await client.query('update log_head set size = $1', [SIZE]);
  });
  afterAll(async () => {
    await client.end();
    await source.destroy();
    await database.drop();
  });

  test('has the same entries at the same places afterwards, byte for byte, a row for each bundle', async () => {
    await migration.up(runner);
    const { rows } = await client.query(
      'select first_index::int as first, cardinality(event_ids) as count, entries is null as pruned from log_entries order by 1',
    );
    expect(rows).toEqual([
      { first: 0, count: 256, pruned: true },
      { first: 256, count: 256, pruned: false },
      { first: 512, count: 256, pruned: false },
      { first: 768, count: 9, pruned: false },
    ]);
    for (const [first, width] of [
      [256, 256],
      [512, 256],
      [512, 7],
      [768, 9],
    ] as const) {
      const bundle = await readBundle(sql, undefined, { index: BigInt(first) / 256n, width });
      expect(bundle).toEqual(formatEntryBundle(entriesOf(first, first + width)));
    }
    await expect(readBundle(sql, undefined, { index: 0n, width: 256 })).rejects.toMatchObject({
      code: 'LOG_ARCHIVE_LACKS',
    });
    expect(await readBundle(sql, undefined, { index: 3n, width: 10 })).toBeUndefined();
  });

  test('finds the entry of each event', async () => {
    for (const { index, event } of leaves) {
      const runs = await runsOfEvents(sql, [BigInt(event)]);
      expect(runs.map(({ first, eventIds }) => Number(first) + eventIds.indexOf(BigInt(event)))).toEqual([
        index,
      ]);
    }
    expect(await runsOfEvents(sql, [0n, 999n, BigInt(1_000 + 1_024)])).toEqual([]);
    expect(await runsOfEvents(sql, [1_000n, 1_001n, BigInt(1_000 + 600)])).toHaveLength(2);
  });

  test('becomes what it was when the migration is taken back', async () => {
    await migration.down(runner);
    expect(await rowsBefore()).toEqual(leaves);
    await migration.up(runner);
  });

  test('grows by runs that end with their bundle', async () => {
    const ids = Array.from({ length: 600 }, (_, n) => BigInt(5_000 + n));
    const entries = ids.map((id) => Buffer.from(`{"id":"${id}"}`));
    await insertEntryRuns(sql, BigInt(SIZE), ids, entries);
    await client.query('update log_head set size = $1', [SIZE + 600]);
    const { rows } = await client.query(
      'select first_index::int as first, cardinality(event_ids) as count from log_entries where first_index >= $1 order by 1',
      [SIZE],
    );
    expect(rows).toEqual([
      { first: SIZE, count: 247 },
      { first: 1024, count: 256 },
      { first: 1280, count: 97 },
    ]);
    const bundle = await readBundle(sql, undefined, { index: 3n, width: 256 });
    expect(bundle).toEqual(formatEntryBundle([...entriesOf(768, SIZE), ...entries.slice(0, 247)]));
  });

  test('shows what is no bundle as it is', async () => {
    await client.query('alter table log_entries disable trigger log_entries_no_change');
    await client.query(`update log_entries set entries = '\\xffff00' where first_index = 1280`);
    expect(await readBundle(sql, undefined, { index: 5n, width: 97 })).toEqual(Buffer.from('ffff00', 'hex'));
  });
});
