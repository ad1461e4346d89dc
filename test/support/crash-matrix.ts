import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectPayShield, type Hsm } from '@openkdh/hsm-client';
import pg from 'pg';
import { type FailpointName, failpointNames } from '../../apps/kdh-server/src/failpoints.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import { hsmSocketOf } from '../../apps/launcher/src/parts.ts';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import { describeWithRedis } from './describe-with-redis.ts';
import { acknowledgedLoads, type History, heldKeys, readHistory, storedLoads } from './history.ts';
import { violations } from './invariants.ts';
import { Stack } from './stack.ts';

/** Terminals that get a further load in each case. */
const RELOADED = ['SIM-000001', 'SIM-000002'];
/** Terminal that is revoked. */
const REVOKED = 'SIM-000003';

/** For what hangs, not for what is slow: longer than a terminal waits for an answer that does not come. */
const REST_MILLISECONDS = 150_000;

/** What else must go wrong so that a failpoint is reached. */
const before: Partial<Record<FailpointName, string>> = {
  'unknown.resolve': 'socket.write:before=throw', // committed as SENT and never written
  'sweep.commit': 'job.start:before=throw', // a worker that does nothing
};

type Side = 'before' | 'after';
const armed = (name: FailpointName, side: Side) =>
  [before[name], `${name}:${side}=kill`].filter(Boolean).join(',');

const cases = failpointNames.flatMap((name) =>
  (['before', 'after'] as const).map((side): [FailpointName, Side] => [name, side]),
);

/**
 * kdh-server is killed with SIGKILL before and after each commit and each effect, while old terminals get a further
 * load and a new one its first; it starts again, the fleet comes to rest, and the whole history so far is judged.
 */
export function crashMatrix(backend: 'PostgreSQL' | 'Redis'): void {
  const title = `crash matrix, queue on ${backend}`;
  (backend === 'Redis' ? describeWithRedis : describe)(title, () => {
    let stack: Stack;
    let database: pg.Client;
    let hsm: Hsm;
    let releasedAtFirst: bigint;
    let profile: string;
    let terminals = 3;
    let earlier: History | undefined;

    /** The failpoints that the server is ready to arm: while it recovers from one case, those of the next. */
    let ready = armed(...cases[0]!);

    const startServer = (failpoints: string) => {
      ready = failpoints;
      return stack.startPart('kdh-server', { KDH_FAILPOINTS: failpoints });
    };
    const startFleet = () =>
      stack.startFleet(terminals, ['--oracle', join(stack.folder, 'oracle.jsonl')], profile);
    const idOf = async (serial: string) =>
      (await database.query<{ id: string }>('select id from terminal where serial = $1', [serial])).rows[0]!
        .id;

    /**
     * Makes time pass faster for what nobody has acted on for two seconds: its deadline is now, and the sweeper acts.
     */
    const hurry = () =>
      database.query(
        `update attempt set deadline = now(), watch_at = now()
         where state in ('APPROVED', 'KSN_RESERVED', 'DERIVING', 'SENT') and deadline > now()
           and (select max(t) from unnest(times) as t) < now() - interval '2 seconds'`,
      );

    const atRest = async () => {
      await hurry();
      const { rows } = await database.query<{ open: number; loaded: number; active: number }>(
        `select count(*) filter (where a.open)::int as open, count(*) filter (where a.loaded)::int as loaded,
           count(*)::int as active
         from terminal t left join lateral (
           select bool_or(outcome is null) as open, bool_or(kind = 'KEYS' and state = 'CONFIRMED') as loaded
           from attempt where terminal_id = t.id
         ) a on true where t.state = 'ACTIVE'`,
      );
      const { open, loaded, active } = rows[0]!;
      const revoked = await database.query(`select 1 from terminal where state = 'REVOKED'`);
      return open === 0 && loaded === active && active + revoked.rowCount! === terminals;
    };

    /** The oracle is written once a second. */
    const oracleIsCurrent = async () =>
      violations(await readHistory(stack.databaseUrl), {
        held: heldKeys(join(stack.folder, 'oracle.jsonl')),
      }).every((violation) => !violation.startsWith('I4: what was confirmed last'));

    const judge = async () => {
      const history = await readHistory(stack.databaseUrl);
      const found = violations(history, {
        held: heldKeys(join(stack.folder, 'oracle.jsonl')),
        acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
        stored: storedLoads(stack.logs()['terminal-sim']!),
        released: Number((await hsm.operationCount())! - releasedAtFirst),
        logs: Object.values(stack.logs()).join('\n'),
        earlier,
        atRest: true,
      });
      earlier = history;
      return found;
    };

    beforeAll(async () => {
      const serverEnvironment: NodeJS.ProcessEnv = { KDH_FAILPOINTS: ready };
      stack = await Stack.start({ testLmk: true, redis: backend === 'Redis', serverEnvironment });
      database = new pg.Client({ connectionString: stack.databaseUrl });
      await database.connect();
      hsm = await connectPayShield({ endpoints: [{ transport: 'unix', path: hsmSocketOf(stack.folder) }] });
      releasedAtFirst = (await hsm.operationCount())!;
      profile = await provisionKeys(stack.api);
      await startFleet();
      await stack.until('the fleet is loaded', atRest, REST_MILLISECONDS);
      await stack.until('the oracle is written', oracleIsCurrent);
      expect(await judge()).toEqual([]);
    });

    afterAll(async () => {
      await hsm.close();
      await database.end();
      await stack.stop();
    });

    test.each(cases)('%s, %s', async (name, side) => {
      if (!stack.runs('kdh-server') || ready !== armed(name, side)) {
        // not the case that was expected: one went wrong, or jest was told to leave some out
        if (stack.runs('kdh-server')) await stack.kill9('kdh-server');
        await startServer(armed(name, side));
      }
      await stack.armFailpoints();
      await stack.kill9('terminal-sim');
      if (name !== 'freeze.commit') terminals += 1;
      await startFleet();
      const requested = await ask(name);
      const hurrying = setInterval(() => void hurry(), 500);
      expect(await stack.ended('kdh-server').finally(() => clearInterval(hurrying))).toBe('SIGKILL');

      const following = cases.findIndex((other) => other[0] === name && other[1] === side) + 1;
      await startServer(armed(...(cases[following] ?? cases[0]!)));
      await expectOutcome(name, side);
      await stack.until('every load has ended', atRest, REST_MILLISECONDS);
      await stack.until('the oracle is written', oracleIsCurrent);
      for (const load of requested) await stack.api.get(`/loads/${load.id}`); // what was answered 201 is there
      expect(await judge()).toEqual([]);
    });

    /** Asks for what leads to the failpoint; no answer when it is reached before. Returns the loads that were granted. */
    async function ask(name: FailpointName): Promise<Load[]> {
      const reason = `crash at ${name}`;
      const terminalIds = await Promise.all(RELOADED.map(idOf));
      const loads = await stack.api.post<Load[]>('/loads/batch', { terminalIds, reason }).catch(() => []);
      if (name === 'freeze.commit') {
        const [bdk] = await stack.api.get<{ id: string }[]>('/bdks');
        await stack.api.post(`/bdks/${bdk!.id}/freeze`, { reason }).catch(() => {});
      } else if (name === 'revoke.commit') {
        await stack.api.post(`/terminals/${await idOf(REVOKED)}/revoke`, { reason }).catch(() => {});
      }
      return loads;
    }

    /** A commit that was not made has changed nothing, one that was made has. */
    async function expectOutcome(name: FailpointName, side: Side): Promise<void> {
      if (name === 'freeze.commit') {
        const [bdk] = await stack.api.get<{ id: string; state: string }[]>('/bdks');
        expect(bdk!.state).toBe(side === 'after' ? 'FROZEN' : 'ACTIVE');
        await stack.until('every load has ended', atRest, REST_MILLISECONDS);
        if (side === 'after') await stack.api.post(`/bdks/${bdk!.id}/release`, { reason: 'end of the test' });
      } else if (name === 'revoke.commit') {
        const [terminal] = await stack.api.get<{ state: string }[]>(`/terminals?serial=${REVOKED}`);
        expect(terminal!.state).toBe(side === 'after' ? 'REVOKED' : 'ACTIVE');
      }
    }
  });
}
