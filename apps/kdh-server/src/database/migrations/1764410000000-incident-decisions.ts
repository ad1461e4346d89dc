import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whose an incident is, and what was decided: all of it or nothing, for good. */
export class IncidentDecisions1764410000000 implements MigrationInterface {
  name = 'IncidentDecisions1764410000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table incident
        alter column terminal_id set not null,
        add column owner text,
        add column decision text,
        add column decided_by text,
        add column reason text,
        add column load_id uuid,
        add constraint incident_decision check (
          num_nonnulls(closed_at, decision, decided_by, reason) in (0, 4));
      create index incident_terminal on incident (terminal_id, id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index incident_terminal;
      alter table incident drop constraint incident_decision, drop column load_id, drop column reason,
        drop column decided_by, drop column decision, drop column owner, alter column terminal_id drop not null;
    `);
  }
}
