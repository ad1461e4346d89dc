import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a BDK may be used for (PCI PIN 20-4): how many initial keys it may give, at most 99 % of its space, and the
 * segment that it is set apart for.
 */
export class BdkPolicy1764400000000 implements MigrationInterface {
  name = 'BdkPolicy1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table bdk add column max_devices bigint, add column segment jsonb not null default '{}';
      update bdk set max_devices = last_device * 99 / 100;
      alter table bdk alter column max_devices set not null,
        add constraint bdk_max_devices check (max_devices between next_device - 1 and last_device * 99 / 100);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table bdk drop column max_devices, drop column segment;');
  }
}
