import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The history tells people apart by their names, so that a name is never given again. */
export class OperatorNames1764610000000 implements MigrationInterface {
  name = 'OperatorNames1764610000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create unique index operator_name on operator (name)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index operator_name');
  }
}
