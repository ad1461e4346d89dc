import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A BDK can be destroyed: its block is erased, for good, by two people (PCI PIN 24). When that was tells how long its records
 * must be kept.
 */
export class BdkDestruction1766201000000 implements MigrationInterface {
  name = 'BdkDestruction1766201000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table bdk
        alter column key_block drop not null,
        drop constraint bdk_state_check,
        add constraint bdk_state_check check (state in ('ACTIVE', 'FROZEN', 'DESTROYED')),
        add column destruction_asked_by text,
        add column destroyed_by text,
        add column destroyed_at timestamptz,
        add column key_block_sha256 text, -- of the block that was erased
        add constraint bdk_destroyed check (
          case when state = 'DESTROYED'
            then key_block is null and num_nulls(destruction_asked_by, destroyed_by, destroyed_at, key_block_sha256) = 0
            else key_block is not null and num_nonnulls(destroyed_by, destroyed_at, key_block_sha256) = 0 end),
        add constraint bdk_destroyed_by_two check (destroyed_by <> destruction_asked_by);
    `);
  }

  /** Refused by the database once a BDK is destroyed: nothing brings its block back. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table bdk
        drop constraint bdk_destroyed_by_two,
        drop constraint bdk_destroyed,
        drop column key_block_sha256, drop column destroyed_at, drop column destroyed_by, drop column destruction_asked_by,
        drop constraint bdk_state_check,
        add constraint bdk_state_check check (state in ('ACTIVE', 'FROZEN')),
        alter column key_block set not null;
    `);
  }
}
