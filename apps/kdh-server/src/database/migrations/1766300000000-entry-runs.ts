import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Entries of the log stand in runs: what one seal appended to one bundle of 256, in the form of a bundle, in a row. A row for each
 * entry, with an index of the places and one of the events, was half of what PostgreSQL did to seal. Which run has an
 * event is found by the span of its ids: those of a run are near each other.
 */
export class EntryRuns1766300000000 implements MigrationInterface {
  name = 'EntryRuns1766300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table log_entries (
        first_index bigint primary key,
        event_ids bigint[] not null, -- no foreign key: nothing is ever deleted
        event_span int8range not null, -- from the least to the greatest of them
        entries bytea -- null: only the archive has them
      );
      -- To compress costs more than to write; hashes cannot be compressed at all.
      alter table log_entries
        alter column event_ids set storage plain,
        alter column entries set storage external;
      alter table log_tile alter column bytes set storage external;
      alter table log_entries
        alter column event_ids set statistics 0,
        alter column event_span set statistics 0,
        alter column entries set statistics 0;

      insert into log_entries
        select min(leaf_index), array_agg(event_id order by leaf_index), int8range(min(event_id), max(event_id), '[]'),
          case when count(entry) = count(*) then
            string_agg(substring(int4send(octet_length(entry)) from 3) || entry, '' order by leaf_index)
          end
        from (select *, leaf_index - row_number() over (order by leaf_index) as hole from log_leaf) leaf
        group by leaf_index / 256, hole;
      create index log_entries_event_span on log_entries using gist (event_span);
      drop table log_leaf;
      drop function log_leaf_keeps_all_but_archived();

      create function log_entries_keeps_all_but_archived() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' and new.entries is null and new.first_index = old.first_index
          and new.event_ids = old.event_ids and new.event_span = old.event_span
          and old.first_index + cardinality(old.event_ids) <= (select max(size) from log_archive) then
          return new;
        end if;
        raise exception 'log_entries is append-only' using errcode = 'insufficient_privilege';
      end $$;
      create trigger log_entries_no_change before update or delete on log_entries
        for each row execute function log_entries_keeps_all_but_archived();
      create trigger log_entries_no_truncate before truncate on log_entries
        for each statement execute function log_is_append_only();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table log_leaf (leaf_index bigint primary key, event_id bigint not null, entry bytea);
      do $$
      declare
        run log_entries;
        start int;
        length int;
      begin
        for run in select * from log_entries loop
          start := 0;
          for n in 1 .. cardinality(run.event_ids) loop
            length := get_byte(run.entries, start) * 256 + get_byte(run.entries, start + 1);
            insert into log_leaf values (run.first_index + n - 1, run.event_ids[n], substring(run.entries from start + 3 for length));
            start := start + 2 + length;
          end loop;
        end loop;
      end $$;
      create unique index log_leaf_event_id on log_leaf (event_id);
      drop table log_entries;
      drop function log_entries_keeps_all_but_archived();
      alter table log_tile alter column bytes set storage extended;

      alter table log_leaf alter column entry set statistics 0;
      alter table log_leaf set (autovacuum_analyze_threshold = 50000, autovacuum_vacuum_threshold = 50000,
        autovacuum_vacuum_insert_threshold = 50000);
      create function log_leaf_keeps_all_but_archived() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' and new.entry is null and new.leaf_index = old.leaf_index and new.event_id = old.event_id
          and old.leaf_index < (select max(size) from log_archive) then
          return new;
        end if;
        raise exception 'log_leaf is append-only' using errcode = 'insufficient_privilege';
      end $$;
      create trigger log_leaf_no_change before update or delete on log_leaf
        for each row execute function log_leaf_keeps_all_but_archived();
      create trigger log_leaf_no_truncate before truncate on log_leaf
        for each statement execute function log_is_append_only();
    `);
  }
}
