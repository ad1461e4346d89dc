import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A KSN is looked up with each BDK, in attempt_key_bdk_ksn: one index less for every key to be entered in. */
export class KsnWithItsBdk1764630000000 implements MigrationInterface {
  name = 'KsnWithItsBdk1764630000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop index attempt_key_ksn');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('create index attempt_key_ksn on attempt_key (ksn)');
  }
}
