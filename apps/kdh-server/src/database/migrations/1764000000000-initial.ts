import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The first schema. Ids are UUIDv7 made by the application; times are the database's clock, UTC.
 * Uniqueness that carries an invariant stands here, not in code: (bdk, ksn) for I1, one public key per terminal
 * for PCI PIN 19-9 and 20-1, one open attempt of a kind per terminal.
 */
export class Initial1764000000000 implements MigrationInterface {
  name = 'Initial1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table operator (
        id uuid primary key,
        name text not null,
        token_sha256 bytea not null,
        created_at timestamptz not null default now(),
        revoked_at timestamptz
      );
      create unique index operator_token_sha256 on operator (token_sha256);

      create table authority (
        role text primary key,
        certificate bytea not null,
        private_key bytea not null,
        public_key bytea not null,
        created_at timestamptz not null default now()
      );

      create table revocation_list (
        issuer text primary key,
        number bigint not null,
        crl bytea not null,
        this_update timestamptz not null,
        next_update timestamptz not null
      );

      create table bdk (
        id uuid primary key,
        name text not null,
        scheme text not null check (scheme in ('AES', 'TDES')),
        algorithm text not null,
        key_block text not null,
        kcv text not null,
        bdk_id text not null,
        next_device bigint not null default 1 check (next_device >= 1),
        last_device bigint not null,
        state text not null default 'ACTIVE' check (state in ('ACTIVE', 'FROZEN')),
        created_at timestamptz not null default now()
      );
      create unique index bdk_name on bdk (name);
      create unique index bdk_scheme_bdk_id on bdk (scheme, bdk_id);

      create table profile (
        id uuid primary key,
        name text not null,
        version integer not null default 1,
        slots jsonb not null,
        created_at timestamptz not null default now()
      );
      create unique index profile_name on profile (name);

      create table terminal (
        id uuid primary key,
        serial text not null,
        model text not null,
        hardware text,
        firmware text,
        profile_id uuid not null references profile (id),
        state text not null default 'ACTIVE' check (state in ('ACTIVE', 'SUSPENDED', 'REVOKED')),
        state_reason text,
        bound_kdh_fingerprint text,
        bound_krd_fingerprint text,
        bound_at timestamptz,
        attempts_made integer not null default 0,
        inventory jsonb,
        inventory_digest text,
        created_at timestamptz not null default now()
      );
      create unique index terminal_serial on terminal (serial);

      create table terminal_certificate (
        id uuid primary key,
        terminal_id uuid not null references terminal (id),
        purpose text not null check (purpose in ('TLS', 'ENCRYPTION', 'SIGNING')),
        fingerprint text not null,
        serial_number text not null,
        spki_sha256 text not null,
        certificate bytea not null,
        not_before timestamptz not null,
        not_after timestamptz not null,
        revoked_at timestamptz
      );
      create unique index terminal_certificate_fingerprint on terminal_certificate (fingerprint);
      create unique index terminal_certificate_spki_sha256 on terminal_certificate (spki_sha256);
      create unique index terminal_certificate_terminal_purpose
        on terminal_certificate (terminal_id, purpose) where revoked_at is null;

      create table terminal_kbpk (
        id uuid primary key,
        terminal_id uuid not null references terminal (id),
        slot text not null,
        algorithm text not null,
        key_block text not null,
        kcv text not null,
        attempt_id uuid not null,
        confirmed_at timestamptz,
        retired_at timestamptz,
        created_at timestamptz not null default now()
      );
      create unique index terminal_kbpk_current
        on terminal_kbpk (terminal_id, slot) where confirmed_at is not null and retired_at is null;
      create index terminal_kbpk_attempt on terminal_kbpk (attempt_id);

      create table terminal_session (
        terminal_id uuid primary key references terminal (id),
        node_id text not null,
        session_id uuid not null,
        epoch bigint not null,
        opened_at timestamptz not null,
        closed_at timestamptz
      );

      create table attempt (
        id uuid primary key,
        load_id uuid not null,
        terminal_id uuid not null references terminal (id),
        number integer not null,
        kind text not null check (kind in ('KBPK', 'KEYS')),
        profile_id uuid not null references profile (id),
        profile_version integer not null,
        requested_by text not null,
        reason text,
        state text not null,
        version integer not null default 1,
        deadline timestamptz,
        expires_at timestamptz not null,
        terminal_nonce bytea,
        nonce_k2 bytea not null,
        token bytea,
        plan_hash text,
        sent_epochs bigint[] not null default '{}',
        result jsonb,
        reason_code text,
        evidence jsonb not null default '{}',
        times jsonb not null default '{}',
        created_at timestamptz not null default now()
      ) with (fillfactor = 70);
      create unique index attempt_terminal_number on attempt (terminal_id, number);
      create unique index attempt_one_open on attempt (terminal_id, kind)
        where state not in ('CONFIRMED', 'REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED');
      create index attempt_load on attempt (load_id);
      create index attempt_deadline on attempt (deadline) where deadline is not null;
      create index attempt_created on attempt (created_at desc, id desc);
      create index attempt_unsuccessful on attempt (state, created_at desc, id desc)
        where state in ('REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED');

      create table attempt_key (
        attempt_id uuid not null references attempt (id),
        position smallint not null,
        slot text not null,
        usage text not null,
        algorithm text not null,
        version_id text,
        bdk_id uuid references bdk (id),
        ksn text,
        wrapped_under text,
        header text,
        key_block text,
        key_block_sha256 text,
        kcv_expected text,
        kcv_reported text,
        result_code integer,
        burned boolean not null default false,
        primary key (attempt_id, position)
      ) with (fillfactor = 40); -- a row grows by its key block and is written three times, each time in place
      create unique index attempt_key_bdk_ksn on attempt_key (bdk_id, ksn);
      create index attempt_key_ksn on attempt_key (ksn);

      create table outbox (
        id bigint generated always as identity primary key,
        attempt_id uuid not null,
        created_at timestamptz not null default now()
      );

      create table incident (
        id uuid primary key,
        kind text not null,
        terminal_id uuid references terminal (id),
        attempt_id uuid references attempt (id),
        detail jsonb not null default '{}',
        opened_at timestamptz not null default now(),
        closed_at timestamptz
      );
      create index incident_open on incident (opened_at) where closed_at is null;

      create table audit_event (
        id bigint generated always as identity primary key,
        time timestamptz not null default clock_timestamp(),
        type text not null,
        actor text not null,
        terminal_id uuid,
        attempt_id uuid,
        body jsonb not null default '{}'
      );

      create function audit_event_is_append_only() returns trigger language plpgsql as $$
      begin
        raise exception 'audit_event is append-only' using errcode = 'insufficient_privilege';
      end $$;
      create trigger audit_event_no_change before update or delete on audit_event
        for each row execute function audit_event_is_append_only();
      create trigger audit_event_no_truncate before truncate on audit_event
        for each statement execute function audit_event_is_append_only();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table audit_event, incident, outbox, attempt_key, attempt, terminal_session, terminal_kbpk,
        terminal_certificate, terminal, profile, bdk, revocation_list, authority, operator;
      drop function audit_event_is_append_only();
    `);
  }
}
