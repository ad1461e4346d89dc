import { runMigrations as migrateQueue } from 'bullmq';
import pg from 'pg';
import { type DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { appendAuditEvents } from '../audit/audit-event.ts';
import type { MigrationConfig } from '../config/config.ts';
import { ensureApplicationRole, grantPrivileges } from './application-role.ts';
import { openDataSource } from './data-source.ts';

/** Any constant of ours; held while migrating, so that two that start together do not race. */
const MIGRATION_LOCK = 4_711_001;

/** What `migrate` is about to apply: the migration `number` of those that are pending. */
export interface MigrationProgress {
  migration: string;
  number: number;
  pending: number;
}

/**
 * Brings the schema of OpenKDH and of the queue up to date, as its owner, and makes the role that kdh-server runs as, with
 * its privileges; safe when started twice. Returns what it applied. A migration of a large table takes minutes: `report`
 * hears of each before it begins, and `stopped` ends the one that runs, whereupon the database is as it was.
 */
export async function migrate(
  config: MigrationConfig,
  report: (progress: MigrationProgress) => void,
  stopped: AbortSignal,
): Promise<string[]> {
  const source = await openDataSource(config.KDH_MIGRATION_DATABASE_URL);
  try {
    const runner = source.createQueryRunner();
    const session: pg.PoolClient = await runner.connect();
    return await unlessStopped(config, session, stopped, async () => {
      await session.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]); // until the session ends
      await migrateQueue(session as never);
      // A fresh backlog without statistics makes BullMQ's claim four to five times slower (docs/performance.md).
      await session.query(
        'alter table bullmq.job set (autovacuum_analyze_threshold = 200, autovacuum_vacuum_threshold = 200)',
      );
      await ensureApplicationRole(session, config.KDH_DATABASE_URL);
      return applyMigrations(config, source, runner, report);
    });
  } finally {
    await source.destroy(); // what was not committed is rolled back
  }
}

/** All that is pending, the privileges and the record of both: one transaction. */
async function applyMigrations(
  config: MigrationConfig,
  source: DataSource,
  runner: QueryRunner,
  report: (progress: MigrationProgress) => void,
): Promise<string[]> {
  await runner.startTransaction();
  const executor = new MigrationExecutor(source, runner);
  const pending = await executor.getPendingMigrations();
  for (const [index, migration] of pending.entries()) {
    report({ migration: migration.name, number: index + 1, pending: pending.length });
    await executor.executeMigration(migration);
  }
  const applied = pending.map(({ name }) => name);
  const role = new pg.Client({ connectionString: config.KDH_DATABASE_URL }).user as string;
  await grantPrivileges((text) => runner.query(text), role);
  if (applied.length > 0) {
    await appendAuditEvents({ query: (text, parameters) => runner.query(text, parameters) }, [
      {
        type: 'database.migrated',
        actor: `node:${config.KDH_NODE_ID}`,
        body: { migrations: applied, role },
      },
    ]);
  }
  await runner.commitTransaction();
  return applied;
}

/**
 * Does `work` in `session`, which is ended from another one when `stopped` says so: PostgreSQL would finish the statement of
 * a client that has merely gone away, with all its locks.
 */
async function unlessStopped<T>(
  config: MigrationConfig,
  session: pg.PoolClient,
  stopped: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid');
  const endSession = async () => {
    const other = new pg.Client({ connectionString: config.KDH_MIGRATION_DATABASE_URL });
    await other.connect();
    await other.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await other.end();
  };
  stopped.addEventListener('abort', endSession);
  try {
    stopped.throwIfAborted();
    return await work();
  } catch (cause) {
    throw stopped.aborted
      ? new Error('the migration was stopped, and nothing of it is kept', { cause })
      : cause;
  } finally {
    stopped.removeEventListener('abort', endSession);
  }
}
