import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The order of the states in `attempt.times`, as it was when this migration was written (loads/attempt.ts). */
const states = [
  'REQUESTED',
  'APPROVED',
  'KSN_RESERVED',
  'DERIVING',
  'WRAPPED',
  'DISPATCHABLE',
  'SENT',
  'RESULT_RECEIVED',
  'OUTCOME_UNKNOWN',
  'CONFIRMED',
  'REJECTED',
  'FAILED',
  'EXPIRED',
  'CANCELLED',
  'QUARANTINED',
];

/**
 * Every move writes the row of its attempt anew: the times of the states are eight bytes each in place of fifty. A page is
 * filled so far that all versions of its rows find room beside each other and a move stays a HOT update: an attempt has
 * about 330 bytes at first and twice that when it is sent, a key 120 and, with its key block, 380.
 */
export class CompactAttempts1766000000000 implements MigrationInterface {
  name = 'CompactAttempts1766000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table attempt
        alter column times drop default,
        alter column times type timestamptz[] using array[
          ${states.map((state) => `(times ->> '${state}')::timestamptz`).join(', ')}],
        alter column times set default '{}',
        set (fillfactor = 28);
      alter table attempt_key set (fillfactor = 24);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table attempt_key set (fillfactor = 40);
      create function times_by_state(times timestamptz[]) returns jsonb language sql as $$
        select coalesce(jsonb_object_agg(state, time), '{}')
        from unnest(array['${states.join("', '")}'], times) as t(state, time) where time is not null
      $$;
      alter table attempt
        alter column times drop default,
        alter column times type jsonb using times_by_state(times),
        alter column times set default '{}',
        set (fillfactor = 40);
      drop function times_by_state;
    `);
  }
}
