import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Makes the rows of a load cheap to move (docs/performance.md). PostgreSQL writes a new version of a row beside the old one
 * and leaves the indexes alone (a HOT update) if no column of any index has changed and the page has room. So no index
 * is on what every move changes, `state` and `deadline`: what is indexed is `outcome`, set when an attempt ends, and
 * `watch_at`, moved by the sweeper.
 *
 * The foreign keys of attempt and attempt_key go: nothing that they pointed at is ever deleted, each insert reads the ids
 * that it writes in its own transaction, and a check costs as much as the row, with a lock on the one row of a BDK
 * or profile that every load shares.
 */
export class HotRows1764800000000 implements MigrationInterface {
  name = 'HotRows1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table attempt
        add column outcome text generated always as (case
          when state in ('CONFIRMED', 'REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED') then state end) stored,
        add column watch_at timestamptz,
        drop constraint attempt_terminal_id_fkey,
        drop constraint attempt_profile_id_fkey,
        set (fillfactor = 40);
      update attempt set watch_at = deadline where outcome is null;
      drop index attempt_one_open, attempt_deadline, attempt_unsuccessful;
      create unique index attempt_one_open on attempt (terminal_id, kind) where outcome is null;
      create index attempt_watch on attempt (watch_at) where outcome is null;
      create index attempt_unsuccessful on attempt (outcome, id) where outcome <> 'CONFIRMED';

      alter table attempt_key
        drop constraint attempt_key_attempt_id_fkey,
        drop constraint attempt_key_bdk_id_fkey;

      alter table terminal set (fillfactor = 70); -- counts its attempts
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table terminal reset (fillfactor);
      alter table attempt_key
        add constraint attempt_key_attempt_id_fkey foreign key (attempt_id) references attempt (id),
        add constraint attempt_key_bdk_id_fkey foreign key (bdk_id) references bdk (id);
      drop index attempt_one_open, attempt_watch, attempt_unsuccessful;
      alter table attempt
        drop column watch_at,
        drop column outcome,
        add constraint attempt_terminal_id_fkey foreign key (terminal_id) references terminal (id),
        add constraint attempt_profile_id_fkey foreign key (profile_id) references profile (id),
        set (fillfactor = 70);
      create unique index attempt_one_open on attempt (terminal_id, kind)
        where state not in ('CONFIRMED', 'REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED');
      create index attempt_deadline on attempt (deadline) where deadline is not null;
      create index attempt_unsuccessful on attempt (state, id)
        where state in ('REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED');
    `);
  }
}
