import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Nodes live as long as their lease; a session lives no longer than its node. */
export class NodeLease1764200000000 implements MigrationInterface {
  name = 'NodeLease1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table node (
        id text primary key,
        lease_until timestamptz not null
      );
      alter table terminal_session add column superseded_node text;
      create index terminal_session_open on terminal_session (node_id) where closed_at is null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index terminal_session_open;
      alter table terminal_session drop column superseded_node;
      drop table node;
    `);
  }
}
