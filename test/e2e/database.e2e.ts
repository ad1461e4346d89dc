import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { refuseUnsafeDatabase } from '../../apps/kdh-server/src/database/boot-checks.ts';
import { migrate } from '../../apps/kdh-server/src/database/migrate.ts';
import { emptyDatabase, type TestDatabase } from '../support/postgres.ts';

describe('database', () => {
  let database: TestDatabase;
  let client: pg.Client;
  const sql = {
    query: async <Row>(text: string, parameters: unknown[] = []) =>
      (await client.query(text, parameters)).rows as Row[],
  };

  beforeAll(async () => {
    database = await emptyDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  test('an empty database is migrated once, also when two nodes start together', async () => {
    const applied = await Promise.all([migrate(database.url), migrate(database.url)]);
    expect(applied.flat()).toEqual([
      'Initial1764000000000',
      'TransparencyLog1764100000000',
      'NodeLease1764200000000',
      'BdkPolicy1764400000000',
      'IncidentDecisions1764410000000',
      'Witnesses1764500000000',
      'AuditorSearches1764600000000',
      'OperatorNames1764610000000',
      'RecordLookups1764620000000',
      'KsnWithItsBdk1764630000000',
      'HotRows1764800000000',
      'UnsealedGroups1764810000000',
    ]);
    expect(await migrate(database.url)).toEqual([]);
  });

  test('audit events can be added and read, never changed, deleted or truncated', async () => {
    await client.query(`insert into audit_event (type, actor) values ('test', 'test')`);
    await expect(client.query(`update audit_event set actor = 'other'`)).rejects.toThrow('append-only');
    await expect(client.query('delete from audit_event')).rejects.toThrow('append-only');
    await expect(client.query('truncate audit_event cascade')).rejects.toThrow('append-only');
  });

  test('no index is on a column that every move of an attempt changes', async () => {
    const { rows } = await client.query<{ index: string; column: string }>(
      `select i.indexrelid::regclass as index, a.attname as column from pg_index i
       join pg_depend d on d.objid = i.indexrelid and d.refobjid = i.indrelid
       join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
       where i.indrelid = 'attempt'::regclass
         and a.attname = any(array['state', 'version', 'deadline', 'times', 'evidence', 'sent_epochs'])`,
    );
    expect(rows).toEqual([]);
  });

  test('a database that may forget a committed KSN is refused at boot', async () => {
    await refuseUnsafeDatabase(sql);
    await client.query('set synchronous_commit = off');
    await expect(refuseUnsafeDatabase(sql)).rejects.toThrow('synchronous_commit = off');
    await client.query('set synchronous_commit = on');
  });
});
