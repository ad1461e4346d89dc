import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { placeOf } from '../../apps/kdh-server/src/loads/attempt.ts';
import { describeWithRedis } from '../support/describe-with-redis.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { type PartName, Stack } from '../support/stack.ts';

const TERMINALS = 40;

describe('each process is killed with -9 in the middle of a fleet load: the queue in PostgreSQL', () =>
  killEach({ redis: false }));

describeWithRedis('each process is killed with -9 in the middle of a fleet load: the queue in Redis', () =>
  killEach({ redis: true }),
);

function killEach({ redis }: { redis: boolean }): void {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start({ ownPostgres: true, redis });
  });
  afterAll(() => stack?.stop());

  const rows = async <Row>(text: string, parameters: unknown[] = []): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    try {
      return (await client.query(text, parameters)).rows as Row[];
    } finally {
      await client.end();
    }
  };
  /** Whether at that moment terminals waited for their first keys, or for a load that was asked for again. */
  const wasInTheMiddle = async (time: Date): Promise<boolean> => {
    const [{ loaded, open }] = (await rows(
      `select count(distinct terminal_id) filter (where kind = 'KEYS' and confirmed <= $1)::int as loaded,
         count(*) filter (where requested < $1 and confirmed > $1)::int as open
       from (select terminal_id, kind, times[${placeOf('REQUESTED')}] as requested,
         coalesce(times[${placeOf('CONFIRMED')}], 'infinity') as confirmed from attempt) as a`,
      [time],
    )) as [{ loaded: number; open: number }];
    return loaded < TERMINALS || open > 0;
  };
  /** Kills it, and starts it again; and once more, with loads asked for again, if the whole fleet had its keys by then. */
  const killInTheMiddle = async (victim: PartName): Promise<void> => {
    for (;;) {
      const killed = new Date();
      await stack.kill9(victim);
      await stack.startPart(victim);
      if (await wasInTheMiddle(killed)) return;
      const terminalIds = (await rows<{ id: string }>('select id from terminal')).map(({ id }) => id);
      await stack.until('loads are asked for again', async () => {
        await stack.api.post('/loads/batch', { terminalIds, reason: `before ${victim} is killed` });
        return true;
      });
    }
  };

  test('every terminal is loaded once, no KSN is used twice, no two terminals hold one key', async () => {
    const oracle = join(stack.folder, 'oracle.jsonl');
    await stack.startFleet(TERMINALS, ['--oracle', oracle]);
    const victims: [PartName, confirmedBefore: number][] = [
      ['soft-hsm', 3],
      ['kdh-server', 8],
      ['postgres', 14],
      ['terminal-sim', 20],
      ['kdh-server', 26],
      ...(redis ? [['redis', 30] as [PartName, number]] : []),
    ];
    for (const [victim, confirmedBefore] of victims) {
      await stack.until(
        `${confirmedBefore} loads are confirmed`,
        async () => (await stack.status()).loads.confirmed >= confirmedBefore,
        120_000,
      );
      await killInTheMiddle(victim);
    }
    await stack.until(
      'every load is confirmed',
      async () => {
        const { requested, confirmed } = (await stack.status()).loads;
        return confirmed >= TERMINALS && confirmed === requested;
      },
      120_000,
    );
    const newest = await rows<{ ksn: string }>(
      `select ksn from attempt_key where ksn is not null and attempt_id in (
         select distinct on (terminal_id) id from attempt where kind = 'KEYS' order by terminal_id, number desc)`,
    );
    await stack.until('the oracle is written', () => {
      const ksns = new Set(heldKeys(oracle).map((key) => key.ksn));
      return newest.every(({ ksn }) => ksns.has(ksn));
    });
    expect(heldKeys(oracle)).toHaveLength(2 * TERMINALS);
    expect(
      violations(await readHistory(stack.databaseUrl), {
        held: heldKeys(oracle),
        acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
        logs: Object.values(stack.logs()).join('\n'),
        atRest: true,
      }),
    ).toEqual([]);
    const { loads } = await stack.status();
    expect(loads).toMatchObject({ confirmed: loads.requested, open: 0, failed: 0 });
  }, 600_000);
}
