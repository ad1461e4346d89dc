import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The keys of a BDK whose attempts ended without a confirmation: few, so that looking for them among the unsuccessful ones
 * of all BDKs is not a read for each.
 */
export class BurnedKeys1766110000000 implements MigrationInterface {
  name = 'BurnedKeys1766110000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index attempt_key_burned on attempt_key (bdk_id, attempt_id) where burned');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index attempt_key_burned');
  }
}
