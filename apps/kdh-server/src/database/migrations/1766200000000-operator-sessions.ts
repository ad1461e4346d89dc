import type { MigrationInterface, QueryRunner } from 'typeorm';

/** From where each operator's token is in use, and since when: so that a sign-in is recorded once, by whichever node it comes to. */
export class OperatorSessions1766200000000 implements MigrationInterface {
  name = 'OperatorSessions1766200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table operator_session (
        operator_id uuid not null references operator (id),
        address text not null,
        signed_in_at timestamptz not null default now(),
        seen_at timestamptz not null default now(),
        log_read_at timestamptz, -- entries of the log, for the first time since the sign-in
        primary key (operator_id, address)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table operator_session');
  }
}
