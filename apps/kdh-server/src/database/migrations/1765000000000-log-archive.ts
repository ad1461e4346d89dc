import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How far the log is archived, and which entries only the archive has. The owner of the tables, and nobody else, may empty an
 * entry that is archived (`kdh-server prune-archived`); everything else about a leaf stays as it was written.
 */
export class LogArchive1765000000000 implements MigrationInterface {
  name = 'LogArchive1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table log_archive (
        location text primary key,
        size bigint not null default 0, -- the first so many entries are there: full bundles
        pruned bigint not null default 0 -- the first so many are nowhere else
      );
      alter table log_leaf alter column entry drop not null;
      create function log_leaf_keeps_all_but_archived() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' and new.entry is null and new.leaf_index = old.leaf_index and new.event_id = old.event_id
          and old.leaf_index < (select max(size) from log_archive) then
          return new;
        end if;
        raise exception 'log_leaf is append-only' using errcode = 'insufficient_privilege';
      end $$;
      drop trigger log_leaf_no_change on log_leaf;
      create trigger log_leaf_no_change before update or delete on log_leaf
        for each row execute function log_leaf_keeps_all_but_archived();
    `);
  }

  /** Refused by the database once entries are pruned. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger log_leaf_no_change on log_leaf;
      create trigger log_leaf_no_change before update or delete on log_leaf
        for each row execute function log_is_append_only();
      drop function log_leaf_keeps_all_but_archived();
      alter table log_leaf alter column entry set not null;
      drop table log_archive;
    `);
  }
}
