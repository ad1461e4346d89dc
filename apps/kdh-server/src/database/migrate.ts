import { runMigrations as migrateQueue } from 'bullmq';
import pg from 'pg';
import { MigrationExecutor } from 'typeorm';
import { appendAuditEvents } from '../audit/audit-event.ts';
import type { MigrationConfig } from '../config/config.ts';
import { ensureApplicationRole, grantPrivileges } from './application-role.ts';
import { openDataSource } from './data-source.ts';

/** Any constant of ours; held while migrating, so that two that start together do not race. */
const MIGRATION_LOCK = 4_711_001;

/**
 * Brings the schema of OpenKDH and of the queue up to date, as its owner, and makes the role that kdh-server runs as, with
 * its privileges; safe when started twice. Returns what it applied.
 */
export async function migrate(config: MigrationConfig): Promise<string[]> {
  const owner = new pg.Client({ connectionString: config.KDH_MIGRATION_DATABASE_URL });
  await owner.connect();
  try {
    await owner.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await migrateQueue(owner as never);
    // A fresh backlog without statistics makes BullMQ's claim four to five times slower (docs/performance.md).
    await owner.query(
      'alter table bullmq.job set (autovacuum_analyze_threshold = 200, autovacuum_vacuum_threshold = 200)',
    );
    await ensureApplicationRole(owner, config.KDH_DATABASE_URL);
    return await applyMigrations(config);
  } finally {
    await owner.end(); // closing the connection frees the lock
  }
}

/** All that is pending, the privileges and the record of both: one transaction. */
async function applyMigrations(config: MigrationConfig): Promise<string[]> {
  const source = await openDataSource(config.KDH_MIGRATION_DATABASE_URL);
  const runner = source.createQueryRunner();
  try {
    await runner.startTransaction();
    const executor = new MigrationExecutor(source, runner);
    executor.transaction = 'none'; // of its own
    const applied = (await executor.executePendingMigrations()).map(({ name }) => name);
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
  } finally {
    await source.destroy(); // what was not committed is rolled back
  }
}
