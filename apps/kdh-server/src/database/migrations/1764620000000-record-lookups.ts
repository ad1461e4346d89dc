import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a transfer record tells of its terminal: certificates and KBPKs that were in force then, revoked and retired ones
 * included. The partial indexes of those in force now do not lead to them.
 */
export class RecordLookups1764620000000 implements MigrationInterface {
  name = 'RecordLookups1764620000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create index terminal_certificate_terminal on terminal_certificate (terminal_id);
      create index terminal_kbpk_terminal on terminal_kbpk (terminal_id, slot);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index terminal_kbpk_terminal, terminal_certificate_terminal');
  }
}
