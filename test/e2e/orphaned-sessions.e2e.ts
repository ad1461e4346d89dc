import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { closeOrphanedSessions } from '../../apps/kdh-server/src/sessions/orphaned-sessions.ts';
import { freshDatabase, type TestDatabase } from '../support/postgres.ts';

const id = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

describe('sessions of a node that is gone', () => {
  let own: TestDatabase;
  let client: pg.Client;
  let sweeping: pg.Client;
  const sweep = () =>
    closeOrphanedSessions(
      {
        query: async <Row>(text: string, parameters: unknown[] = []) =>
          (await sweeping.query(text, parameters)).rows as Row[],
        afterCommit() {},
        commitsAs() {},
      },
      'node:kdh-2',
    );
  const sessions = async () =>
    (
      await client.query(
        `select terminal_id as terminal, node_id as node, epoch::int, closed_at is null as open
         from terminal_session order by terminal_id`,
      )
    ).rows;

  beforeAll(async () => {
    own = await freshDatabase();
    [client, sweeping] = [1, 2].map(() => new pg.Client({ connectionString: own.url })) as [
      pg.Client,
      pg.Client,
    ];
    await Promise.all([client.connect(), sweeping.connect()]);
    await client.query(`
      insert into profile (id, name, slots) values ('${id(1)}', 'PIN', '[]');
      insert into node (id, lease_until) values ('kdh-1', now() - interval '1 second'), ('kdh-2', now() + interval '1 hour');
      insert into terminal (id, serial, model, profile_id) select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
        'SIM-' || n, 'M', '${id(1)}' from generate_series(1, 3) n;
      insert into terminal_session (terminal_id, node_id, session_id, epoch, opened_at)
        values ('${id(1)}', 'kdh-1', '${id(1)}', 1, now()), ('${id(2)}', 'kdh-1', '${id(2)}', 1, now()),
          ('${id(3)}', 'kdh-2', '${id(3)}', 1, now());
      -- The sweep stands still at the first session that it closes, until the test lets it go on.
      create function stand_still() returns trigger language plpgsql as $$
        begin perform pg_advisory_xact_lock(4711); return new; end $$;
      create trigger stand_still before update on terminal_session for each row
        when (old.terminal_id = '${id(1)}') execute function stand_still();`);
  });
  afterAll(async () => {
    await sweeping.end();
    await client.end();
    await own.drop();
  });

  test('are closed; one that its terminal has opened anew meanwhile is not', async () => {
    await client.query('select pg_advisory_lock(4711)');
    const swept = sweep();
    await until(async () => {
      const { rows } = await client.query(
        `select 1 from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`,
      );
      return rows.length > 0;
    });
    await client.query(
      `update terminal_session set node_id = 'kdh-2', epoch = 2, opened_at = now() where terminal_id = $1`,
      [id(2)],
    );
    await client.query('select pg_advisory_unlock(4711)');
    await swept;
    expect(await sessions()).toEqual([
      { terminal: id(1), node: 'kdh-1', epoch: 1, open: false },
      { terminal: id(2), node: 'kdh-2', epoch: 2, open: true },
      { terminal: id(3), node: 'kdh-2', epoch: 1, open: true },
    ]);
  });

  test('are told in the history, once each', async () => {
    await sweep();
    const { rows } = await client.query(
      `select terminal_id as terminal, actor, body from audit_event where type = 'session.closed'`,
    );
    expect(rows).toEqual([
      { terminal: id(1), actor: 'node:kdh-2', body: { epoch: 1, node: 'kdh-1', reason: 'NODE_LOST' } },
    ]);
    const lapsed = await client.query(`select id from node`);
    expect(lapsed.rows).toEqual([{ id: 'kdh-2' }]);
  });
});

/** Waits for a condition, however slow the machine is; the test's own time limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
