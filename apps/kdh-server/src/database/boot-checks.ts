import { appendOnlyTables } from './application-role.ts';
import { migrations } from './data-source.ts';
import type { Sql } from './database.ts';

/** Why a kdh-server does not start on a database. */
export class UnfitDatabaseError extends Error {
  readonly code: 'DATABASE_UNSAFE' | 'DATABASE_NOT_MIGRATED' | 'DATABASE_ROLE';

  constructor(code: UnfitDatabaseError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Settings under which a committed KSN could be lost in a crash and given out again. */
const required: Record<string, (value: string) => boolean> = {
  synchronous_commit: (value) => value !== 'off',
  fsync: (value) => value === 'on',
  full_page_writes: (value) => value === 'on',
};

/**
 * Refuses to start on a database that could forget a committed KSN, that is a read-only replica, or that is too old.
 * A test cluster may run without fsync when its superuser says so with the server setting `openkdh.test = on`;
 * `synchronous_commit = off` is refused there too.
 */
export async function refuseUnsafeDatabase(sql: Pick<Sql, 'query'>): Promise<void> {
  const settings = new Map(
    (
      await sql.query<{ name: string; setting: string }>(
        `select name, setting from pg_settings where name in ('synchronous_commit','fsync','full_page_writes','server_version_num')
         union all select 'in_recovery', pg_is_in_recovery()::text
         union all select 'openkdh.test', coalesce(current_setting('openkdh.test', true), '')`,
      )
    ).map((row) => [row.name, row.setting]),
  );
  const isTest = settings.get('openkdh.test') === 'on';
  for (const [name, safe] of Object.entries(required)) {
    const value = settings.get(name) ?? '';
    if (safe(value) || (isTest && name !== 'synchronous_commit')) continue;
    throw new UnfitDatabaseError(
      'DATABASE_UNSAFE',
      `the database has ${name} = ${value}: a committed KSN could be lost in a crash and used twice. ` +
        `Set ${name} = on for the server, this database and this role, then start again`,
    );
  }
  if (settings.get('in_recovery') === 'true') {
    throw new UnfitDatabaseError(
      'DATABASE_UNSAFE',
      'the database is a read-only replica; point KDH_DATABASE_URL at the writer',
    );
  }
  if (Number(settings.get('server_version_num')) < 140_000) {
    throw new UnfitDatabaseError(
      'DATABASE_UNSAFE',
      `PostgreSQL 14 or newer is needed, this is ${settings.get('server_version_num')}`,
    );
  }
}

/** Refuses a schema that lacks a migration of this version; one that is ahead is taken, for upgrades node by node. */
export async function refuseUnmigratedDatabase(sql: Pick<Sql, 'query'>): Promise<void> {
  const [table] = await sql.query<{ exists: boolean }>(
    `select to_regclass('public.migrations') is not null as exists`,
  );
  const applied = table?.exists ? await sql.query<{ name: string }>('select name from migrations') : [];
  const missing = migrations.filter(({ name }) => !applied.some((migration) => migration.name === name));
  if (missing.length === 0) return;
  throw new UnfitDatabaseError(
    'DATABASE_NOT_MIGRATED',
    `the schema lacks ${missing.map(({ name }) => name).join(', ')}: run kdh-server migrate first`,
  );
}

/** Refuses a role that could rewrite the history: an owner of its tables, a superuser, or one with too many privileges. */
export async function refuseMightyRole(sql: Pick<Sql, 'query'>): Promise<void> {
  const mighty = await sql.query<{ role: string; table: string }>(
    `select current_user as role, relname as table from pg_class
     where relnamespace = 'public'::regnamespace and relname = any($1)
       and (pg_has_role(relowner, 'member') or has_table_privilege(oid, 'update, delete, truncate, trigger'))`,
    [appendOnlyTables],
  );
  if (mighty.length === 0) return;
  throw new UnfitDatabaseError(
    'DATABASE_ROLE',
    `KDH_DATABASE_URL connects as ${mighty[0]?.role}, who may change or remove rows of ` +
      `${mighty.map(({ table }) => table).join(', ')}: name the role that kdh-server migrate has made`,
  );
}
