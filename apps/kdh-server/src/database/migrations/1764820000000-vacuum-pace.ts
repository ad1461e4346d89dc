import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a load writes is analysed and vacuumed by numbers that say something. With PostgreSQL's own, a tenth and a fifth of
 * a table, a young table of some thousand attempts is due again within a second of work, every time that autovacuum
 * looks. Only statistics of what is long matter; from half a million rows on the shares decide as before.
 */
export class VacuumPace1764820000000 implements MigrationInterface {
  name = 'VacuumPace1764820000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['attempt', 'attempt_key', 'audit_event', 'log_leaf']) {
      await runner.query(`alter table ${table} set (
        autovacuum_analyze_threshold = 50000, autovacuum_vacuum_threshold = 50000,
        autovacuum_vacuum_insert_threshold = 50000)`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['attempt', 'attempt_key', 'audit_event', 'log_leaf']) {
      await runner.query(`alter table ${table} reset (
        autovacuum_analyze_threshold, autovacuum_vacuum_threshold, autovacuum_vacuum_insert_threshold)`);
    }
  }
}
