import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the auditor's searches walk. Attempts are searched in the order of their ids (UUIDv7: newest first), so that one
 * index serves a filter, its order and its span of time. No index stands on a column that changes while an attempt is
 * under way; those that only some attempts have are partial, and cost the others nothing. Of the events only two indexes
 * grow with every event.
 */
export class AuditorSearches1764600000000 implements MigrationInterface {
  name = 'AuditorSearches1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table attempt add column campaign_id uuid, add column run_id uuid, add column station text;
      drop index if exists attempt_created;
      drop index if exists attempt_unsuccessful;
      create index attempt_unsuccessful on attempt (state, id)
        where state in ('REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED');
      create index attempt_requested_by on attempt (requested_by, id) where requested_by like 'operator:%';
      create index attempt_campaign on attempt (campaign_id, id) where campaign_id is not null;
      create index attempt_run on attempt (run_id, id) where run_id is not null;
      create index attempt_station on attempt (station, id) where station is not null;
      create index terminal_serial_bytes on terminal (serial collate "C");
      create index attempt_key_bdk_attempt on attempt_key (bdk_id, attempt_id) where bdk_id is not null;

      create table attempt_approval (
        attempt_id uuid not null references attempt (id),
        person text not null,
        role text not null,
        authentication text not null,
        approved_at timestamptz not null default now(),
        primary key (attempt_id, person) -- two approvals are two people (PCI PIN 3, dual control)
      );
      create index attempt_approval_person on attempt_approval (person, attempt_id);

      create table attempt_check_value (
        kcv text not null,
        attempt_id uuid not null
      );
      insert into attempt_check_value select kcv_expected, attempt_id from attempt_key where kcv_expected is not null;
      create index attempt_check_value_kcv on attempt_check_value (kcv, attempt_id);

      create index audit_event_time on audit_event (time, id);
      create index audit_event_attempt on audit_event (attempt_id, id) where attempt_id is not null;
      create index audit_event_terminal on audit_event (terminal_id, time, id) where attempt_id is null;
      create index audit_event_actor on audit_event (actor, time, id) where actor like 'operator:%';
      create index audit_event_type on audit_event (type collate "C", time, id) where type <> all (array['attempt.requested',
        'attempt.approved', 'attempt.ksn_reserved', 'attempt.deriving', 'attempt.wrapped', 'attempt.dispatchable',
        'attempt.sent', 'attempt.result_received', 'attempt.confirmed']);
      create index audit_event_words on audit_event using gin (jsonb_to_tsvector('simple', body, '["string"]'))
        where actor like 'operator:%';

      alter table operator add column role text not null default 'operator' check (role in ('operator', 'auditor'));

      create table saved_search (
        id uuid primary key,
        operator_id uuid not null references operator (id),
        name text not null,
        subject text not null check (subject in ('transfers', 'events')),
        filters jsonb not null,
        created_at timestamptz not null default now()
      );
      create unique index saved_search_name on saved_search (operator_id, name);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table saved_search, attempt_check_value, attempt_approval;
      alter table operator drop column role;
      drop index audit_event_words, audit_event_type, audit_event_actor, audit_event_terminal, audit_event_attempt,
        audit_event_time, attempt_key_bdk_attempt, attempt_requested_by, attempt_unsuccessful,
        terminal_serial_bytes;
      alter table attempt drop column campaign_id, drop column run_id, drop column station;
      create index attempt_created on attempt (created_at desc, id desc);
      create index attempt_unsuccessful on attempt (state, created_at desc, id desc)
        where state in ('REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED');
    `);
  }
}
