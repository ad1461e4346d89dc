import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
  }, 60_000);
  afterAll(() => stack?.stop());

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
    let killedInTheMiddle = 0;
    for (const [victim, confirmedBefore] of victims) {
      await stack.until(
        `${confirmedBefore} loads are confirmed`,
        async () => (await stack.status()).loads.confirmed >= confirmedBefore,
        60_000,
      );
      if ((await stack.status()).loads.confirmed < TERMINALS) killedInTheMiddle += 1;
      await stack.kill9(victim);
      await stack.startPart(victim);
    }
    expect(killedInTheMiddle).toBe(victims.length);
    await stack.until(
      'every load is confirmed',
      async () => (await stack.status()).loads.confirmed === TERMINALS,
      120_000,
    );
    await stack.until('the oracle is written', () => heldKeys(oracle).length === 2 * TERMINALS);
    expect(
      violations(await readHistory(stack.databaseUrl), {
        held: heldKeys(oracle),
        acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
        logs: Object.values(stack.logs()).join('\n'),
        atRest: true,
      }),
    ).toEqual([]);
    const { loads } = await stack.status();
    expect(loads).toEqual({ requested: TERMINALS, confirmed: TERMINALS, open: 0, failed: 0 });
  }, 300_000);
}
