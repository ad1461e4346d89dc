import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What waits to be sealed is noted once for each statement that wrote events, no longer once for each event: a statement
 * on the hot path writes hundreds. Their columns that no plan ever looks at get no statistics, which ANALYZE would take
 * from them every few seconds.
 */
export class UnsealedGroups1764810000000 implements MigrationInterface {
  name = 'UnsealedGroups1764810000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table audit_unsealed rename to audit_unsealed_before;
      create table audit_unsealed (
        id bigint generated always as identity primary key,
        event_ids bigint[] not null
      );
      insert into audit_unsealed (event_ids)
        select array_agg(event_id order by event_id) from audit_unsealed_before group by event_id / 1000 order by 1;
      drop table audit_unsealed_before;
      create or replace function audit_event_wants_sealing() returns trigger language plpgsql as $$
      begin
        insert into audit_unsealed (event_ids) select array_agg(id order by id) from new_events having count(*) > 0;
        return null;
      end $$;

      alter table audit_event alter column body set statistics 0;
      alter table log_leaf alter column entry set statistics 0;
      alter table attempt
        alter column token set statistics 0,
        alter column result set statistics 0,
        alter column evidence set statistics 0,
        alter column times set statistics 0;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table attempt
        alter column token set statistics -1,
        alter column result set statistics -1,
        alter column evidence set statistics -1,
        alter column times set statistics -1;
      alter table log_leaf alter column entry set statistics -1;
      alter table audit_event alter column body set statistics -1;

      alter table audit_unsealed rename to audit_unsealed_groups;
      create table audit_unsealed (event_id bigint primary key);
      insert into audit_unsealed select unnest(event_ids) from audit_unsealed_groups;
      drop table audit_unsealed_groups;
      create or replace function audit_event_wants_sealing() returns trigger language plpgsql as $$
      begin
        insert into audit_unsealed select id from new_events;
        return null;
      end $$;
    `);
  }
}
