import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A search that looks at 2,000 rows finds what it needs of them in the index: rows that lie apart cost a read each, entries
 * of an index a hundredth of one. What is in an index is read there only where a page is known to be visible to all, so
 * the history is vacuumed when a fiftieth of it is new, in place of a fifth.
 */
export class SearchCovering1766100000000 implements MigrationInterface {
  name = 'SearchCovering1766100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index attempt_terminal_number, attempt_station;
      create unique index attempt_terminal_number on attempt (terminal_id, number) include (id);
      create index attempt_station on attempt (station, id) include (campaign_id) where station is not null;
    `);
    for (const table of ['attempt', 'attempt_key'])
      await runner.query(`alter table ${table} set (autovacuum_vacuum_insert_scale_factor = 0.02)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['attempt', 'attempt_key'])
      await runner.query(`alter table ${table} reset (autovacuum_vacuum_insert_scale_factor)`);
    await runner.query(`
      drop index attempt_terminal_number, attempt_station;
      create unique index attempt_terminal_number on attempt (terminal_id, number);
      create index attempt_station on attempt (station, id) where station is not null;
    `);
  }
}
