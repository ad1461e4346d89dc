import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Config } from '../../apps/kdh-server/src/config/config.ts';
import { appendOnlyTables, privileges } from '../../apps/kdh-server/src/database/application-role.ts';
import {
  refuseMightyRole,
  refuseUnmigratedDatabase,
  refuseUnsafeDatabase,
} from '../../apps/kdh-server/src/database/boot-checks.ts';
import { migrations } from '../../apps/kdh-server/src/database/data-source.ts';
import { Database } from '../../apps/kdh-server/src/database/database.ts';
import type { MigrationProgress } from '../../apps/kdh-server/src/database/migrate.ts';
import {
  applicationUrlOf,
  emptyDatabase,
  migrateTestDatabase,
  type TestDatabase,
} from '../support/postgres.ts';

describe('database', () => {
  let database: TestDatabase;
  let client: pg.Client;
  let application: pg.Client;
  const sqlOf = (of: pg.Client) => ({
    query: async <Row>(text: string, parameters: unknown[] = []) =>
      (await of.query(text, parameters)).rows as Row[],
  });

  beforeAll(async () => {
    database = await emptyDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await application?.end();
    await client.end();
    await database.drop();
  });

  test('an empty database is refused at boot', async () => {
    await expect(refuseUnmigratedDatabase(sqlOf(client))).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
    });
  });

  test('an empty database is migrated once, also when two start together; that is recorded', async () => {
    const applied = await Promise.all([migrateTestDatabase(database.url), migrateTestDatabase(database.url)]);
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
      'VacuumPace1764820000000',
      'PersonNames1764900000000',
      'LogArchive1765000000000',
      'CompactAttempts1766000000000',
      'SearchCovering1766100000000',
      'BurnedKeys1766110000000',
      'OperatorSessions1766200000000',
      'BdkDestruction1766201000000',
      'HsmLog1766202000000',
      'EntryRuns1766300000000',
      'CheapHistory1767100000000',
    ]);
    expect(await migrateTestDatabase(database.url)).toEqual([]);
    await refuseUnmigratedDatabase(sqlOf(client));
    const { rows } = await client.query('select type, actor, body from audit_event');
    expect(rows).toEqual([
      {
        type: 'database.migrated',
        actor: 'node:migration',
        body: { migrations: applied.flat(), role: 'openkdh_test_app' },
      },
    ]);
    application = new pg.Client({ connectionString: applicationUrlOf(database.url) });
    await application.connect();
  });

  test('a migration that is stopped lets go at once, and leaves the database as it was', async () => {
    const other = await emptyDatabase();
    const [holder, observer] = [new pg.Client(other.url), new pg.Client(other.url)];
    await Promise.all([holder.connect(), observer.connect()]);
    try {
      await holder.query('begin; create table operator ()'); // which the first migration makes: it waits
      const stop = new AbortController();
      const reported: MigrationProgress[] = [];
      const stopped = expect(
        migrateTestDatabase(other.url, (progress) => reported.push(progress), stop.signal),
      ).rejects.toThrow('the migration was stopped, and nothing of it is kept');
      const waiting = async () => {
        const { rowCount } = await observer.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rowCount === 1;
      };
      while (!(await waiting())) await sleep(20);
      expect(reported).toEqual([{ migration: migrations[0]!.name, number: 1, pending: migrations.length }]);
      stop.abort();
      await stopped;
      while (await waiting()) await sleep(20); // its session may take a moment to end
      await holder.query('rollback');
      const { rows } = await observer.query(`select tablename from pg_tables where schemaname = 'public'`);
      expect(rows).toEqual([]);
      expect(await migrateTestDatabase(other.url)).toHaveLength(migrations.length);
    } finally {
      await Promise.all([holder.end(), observer.end()]);
      await other.drop();
    }
  });

  test('every table has its privileges, and no more', async () => {
    const { rows } = await client.query(
      `select relname as table, array_agg(lower(privilege_type) order by privilege_type) as held
       from pg_class, aclexplode(relacl) where relkind = 'r' and relnamespace = 'public'::regnamespace
         and grantee = 'openkdh_test_app'::regrole group by relname`,
    );
    const sorted = (held: readonly string[]) => [...held].sort();
    expect(Object.fromEntries(rows.map(({ table, held }) => [table, held]))).toEqual(
      Object.fromEntries(Object.entries(privileges).map(([table, held]) => [table, sorted(held)])),
    );
  });

  test('what the history is made of can only be added to', () => {
    expect(appendOnlyTables).toEqual(
      expect.arrayContaining([
        'audit_event',
        'log_identity',
        'log_entries',
        'log_checkpoint',
        'log_cosignature',
      ]),
    );
  });

  test.each(appendOnlyTables)('the application cannot rewrite %s, by no statement', async (table) => {
    const [column] = (
      await application.query(
        `select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 limit 1`,
        [table],
      )
    ).rows;
    for (const statement of [
      `update ${table} set ${column.attname} = default`,
      `delete from ${table}`,
      `truncate ${table} cascade`,
      `alter table ${table} disable trigger all`,
      `drop table ${table} cascade`,
      `create trigger quiet before insert on ${table} for each row execute function log_is_append_only()`,
      `create rule quiet as on insert to ${table} do instead nothing`,
      `alter table ${table} owner to openkdh_test_app`,
    ]) {
      await expect(application.query(statement)).rejects.toMatchObject({ code: '42501' }); // no privilege
    }
  });

  test('the application cannot take away what guards the history', async () => {
    for (const statement of [
      'drop trigger audit_event_no_change on audit_event',
      'drop trigger audit_event_wants_sealing on audit_event',
      'create or replace function audit_event_wants_sealing() returns trigger language sql as $$ select 1 $$',
      "set session_replication_role = 'replica'",
    ]) {
      await expect(application.query(statement)).rejects.toMatchObject({ code: '42501' });
    }
  });

  test('at boot the application’s role is taken, the owner’s is refused', async () => {
    await refuseMightyRole(sqlOf(application));
    await expect(refuseMightyRole(sqlOf(client))).rejects.toMatchObject({ code: 'DATABASE_ROLE' });
    await client.query('grant truncate on log_entries to openkdh_test_app');
    await expect(refuseMightyRole(sqlOf(application))).rejects.toThrow('log_entries');
    await migrateTestDatabase(database.url); // takes away what is too much
    await refuseMightyRole(sqlOf(application));
  });

  test('audit events can be added and read; nor can their owner change, delete or truncate them by an oversight', async () => {
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

  test('a transaction finds by an index also what a young table would be read for as a whole', async () => {
    const connection = await Database.open({
      KDH_DATABASE_URL: applicationUrlOf(database.url),
      KDH_DATABASE_CONNECTIONS: 1,
    } as Config);
    try {
      await client.query('analyze migrations'); // a page of rows
      const look = 'explain (costs off) select 1 from migrations where id = 1';
      const [inTransaction] = await connection.transaction((sql) => sql.query<object>(look));
      expect(inTransaction).toEqual({ 'QUERY PLAN': expect.stringContaining('Index') });
      const [alone] = await connection.query<object>(look); // what is read outside of one is planned anew
      expect(alone).toEqual({ 'QUERY PLAN': 'Seq Scan on migrations' });
    } finally {
      await connection.onApplicationShutdown();
    }
  });

  test('a database that may forget a committed KSN is refused at boot', async () => {
    await refuseUnsafeDatabase(sqlOf(client));
    await client.query('set synchronous_commit = off');
    await expect(refuseUnsafeDatabase(sqlOf(client))).rejects.toThrow('synchronous_commit = off');
    await client.query('set synchronous_commit = on');
  });
});
