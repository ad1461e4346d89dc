import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What witnesses say of the log's checkpoints. A witness is known by its verifier key. Cosignatures are part of the
 * history and never change; how a witness stands is only its last answer.
 */
export class Witnesses1764500000000 implements MigrationInterface {
  name = 'Witnesses1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table log_cosignature (
        size bigint not null, -- of a checkpoint; no foreign key, like log_leaf
        witness text not null,
        signature bytea not null,
        cosigned_at timestamptz not null,
        primary key (size, witness)
      );
      create index log_cosignature_witness on log_cosignature (witness, size);
      create trigger log_cosignature_no_change before update or delete on log_cosignature
        for each row execute function log_is_append_only();
      create trigger log_cosignature_no_truncate before truncate on log_cosignature
        for each statement execute function log_is_append_only();

      create table log_witness (
        witness text primary key,
        state text not null check (state in ('AGREES', 'AWAY', 'REFUSES', 'CONTRADICTS')),
        detail text not null,
        since timestamptz not null default now()
      );

      alter table incident alter column terminal_id drop not null,
        add constraint incident_subject check (terminal_id is not null or kind = 'LOG_CONTRADICTED');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from incident where terminal_id is null;
      alter table incident drop constraint incident_subject, alter column terminal_id set not null;
      drop table log_witness, log_cosignature;
    `);
  }
}
