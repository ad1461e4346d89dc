import type { Sql } from './database.ts';

export class UnsafeDatabaseError extends Error {
  readonly code = 'DATABASE_UNSAFE';
}

/** Settings under which a committed KSN could be lost in a crash and given out again (facts/queue-and-database.md 2). */
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
    throw new UnsafeDatabaseError(
      `the database has ${name} = ${value}: a committed KSN could be lost in a crash and used twice. ` +
        `Set ${name} = on for the server, this database and this role, then start again`,
    );
  }
  if (settings.get('in_recovery') === 'true') {
    throw new UnsafeDatabaseError(
      'the database is a read-only replica; point KDH_DATABASE_URL at the writer',
    );
  }
  if (Number(settings.get('server_version_num')) < 140_000) {
    throw new UnsafeDatabaseError(
      `PostgreSQL 14 or newer is needed, this is ${settings.get('server_version_num')}`,
    );
  }
}
