import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Copies of the HSMs' own logs, in parts as they were fetched: added to and read, like the history itself. */
export class HsmLog1766202000000 implements MigrationInterface {
  name = 'HsmLog1766202000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table hsm_log_part (
        hsm text not null, -- serial number
        first bigint not null check (first >= 1),
        last bigint not null check (last >= first),
        last_hash text not null, -- SHA-256 of the last record, hex in upper case
        records text not null, -- a line for each, as the HSM wrote it
        primary key (hsm, first)
      );
      create trigger hsm_log_part_no_change before update or delete on hsm_log_part
        for each row execute function log_is_append_only();
      create trigger hsm_log_part_no_truncate before truncate on hsm_log_part
        for each statement execute function log_is_append_only();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table hsm_log_part');
  }
}
