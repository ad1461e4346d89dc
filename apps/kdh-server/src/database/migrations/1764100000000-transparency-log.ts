import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The transparency log over audit_event. A trigger puts every new event into audit_unsealed, so that none is forgotten
 * and the sealer never goes by ids: an event that commits late is there when it commits (facts/audit-log.md section 3).
 */
export class TransparencyLog1764100000000 implements MigrationInterface {
  name = 'TransparencyLog1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit_unsealed (event_id bigint primary key);
      insert into audit_unsealed select id from audit_event;
      create function audit_event_wants_sealing() returns trigger language plpgsql as $$
      begin
        insert into audit_unsealed select id from new_events;
        return null;
      end $$;
      create trigger audit_event_wants_sealing after insert on audit_event
        referencing new table as new_events for each statement execute function audit_event_wants_sealing();

      create table log_identity (
        only_one boolean primary key default true check (only_one),
        origin text not null,
        public_key bytea not null,
        private_key bytea not null,
        created_at timestamptz not null default now()
      );

      create table log_head (
        only_one boolean primary key default true check (only_one),
        size bigint not null
      );
      insert into log_head (size) values (0);

      create table log_leaf (
        leaf_index bigint primary key,
        event_id bigint not null, -- no foreign key: nothing is ever deleted, and its check costs as much as the row
        entry bytea not null
      );
      create unique index log_leaf_event_id on log_leaf (event_id);

      create table log_tile (
        level smallint not null,
        tile_index bigint not null,
        bytes bytea not null,
        primary key (level, tile_index)
      );

      create table log_checkpoint (
        size bigint primary key,
        note bytea not null,
        created_at timestamptz not null default now()
      );

      create function log_is_append_only() returns trigger language plpgsql as $$
      begin
        raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
      end $$;
      create trigger log_leaf_no_change before update or delete on log_leaf
        for each row execute function log_is_append_only();
      create trigger log_leaf_no_truncate before truncate on log_leaf
        for each statement execute function log_is_append_only();
      create trigger log_checkpoint_no_change before update or delete on log_checkpoint
        for each row execute function log_is_append_only();
      create trigger log_checkpoint_no_truncate before truncate on log_checkpoint
        for each statement execute function log_is_append_only();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table log_checkpoint, log_tile, log_leaf, log_head, log_identity;
      drop function log_is_append_only();
      drop trigger audit_event_wants_sealing on audit_event;
      drop function audit_event_wants_sealing();
      drop table audit_unsealed;
    `);
  }
}
