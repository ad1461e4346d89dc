import { runMigrations as migrateQueue } from 'bullmq';
import pg from 'pg';
import { openDataSource } from './data-source.ts';

/** Any constant of ours; held while migrating, so that two nodes that start together do not race. */
const MIGRATION_LOCK = 4_711_001;

/** Brings the schema of OpenKDH and of the queue up to date; safe when started twice. Returns what it applied. */
export async function migrate(url: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url });
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await migrateQueue(lock as never);
    // A fresh backlog without statistics makes BullMQ's claim four to five times slower (docs/performance.md).
    await lock.query(
      'alter table bullmq.job set (autovacuum_analyze_threshold = 200, autovacuum_vacuum_threshold = 200)',
    );
    const source = await openDataSource(url);
    try {
      return (await source.runMigrations({ transaction: 'each' })).map((migration) => migration.name);
    } finally {
      await source.destroy();
    }
  } finally {
    await lock.end(); // closing the connection frees the lock
  }
}
