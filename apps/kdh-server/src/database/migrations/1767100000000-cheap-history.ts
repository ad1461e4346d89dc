import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a load costs PostgreSQL beside its rows (docs/performance.md).
 *
 * How many rows an attempt has is a fact of ours, not of a sample: ANALYZE of a young table took attempts for few with many keys
 * each, and plans read whole tables. What is sampled of the history is a tenth as much: a sample of 30,000 rows, taken every
 * 50,000 events, cost more than their index by time. A page has room for all versions of its keys: of 120, 380 and 280 bytes.
 * Hashes in hex cost more to compress than to write.
 */
export class CheapHistory1767100000000 implements MigrationInterface {
  name = 'CheapHistory1767100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table attempt_key alter column attempt_id set (n_distinct = -0.5);
      alter table attempt_key set (fillfactor = 16);
      alter table audit_event alter column attempt_id set (n_distinct = -0.16);
      alter table audit_event
        alter column time set statistics 10,
        alter column type set statistics 10,
        alter column actor set statistics 10,
        alter column terminal_id set statistics 10,
        alter column attempt_id set statistics 10,
        alter column id set statistics 10;
      alter index audit_event_words alter column 1 set statistics 10;
      alter table hsm_log_part alter column records set storage external;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table hsm_log_part alter column records set storage extended;
      alter table audit_event
        alter column time set statistics -1,
        alter column type set statistics -1,
        alter column actor set statistics -1,
        alter column terminal_id set statistics -1,
        alter column attempt_id set statistics -1,
        alter column id set statistics -1;
      alter index audit_event_words alter column 1 set statistics -1;
      alter table audit_event alter column attempt_id reset (n_distinct);
      alter table attempt_key set (fillfactor = 24);
      alter table attempt_key alter column attempt_id reset (n_distinct);
    `);
  }
}
