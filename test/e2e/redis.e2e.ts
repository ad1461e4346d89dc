import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { describeWithRedis } from '../support/describe-with-redis.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 10;

describeWithRedis('the queue in Redis', () => {
  let stack: Stack;
  let redis: Redis;
  let terminalIds: string[];
  const oracle = () => join(stack.folder, 'oracle.jsonl');
  const confirmed = async () => (await stack.status()).loads.confirmed;
  const jobs = async () => (await redis.keys('bull:derive:[0-9]*')).length;

  beforeAll(async () => {
    // The worker is a process of its own, so that jobs can be made to wait.
    stack = await Stack.start({
      redis: true,
      nodes: [{ KDH_ROLES: 'api,gateway,sealer' }, { KDH_ROLES: 'worker' }],
    });
    redis = new Redis(stack.redisUrl!);
    redis.on('error', () => {}); // it is killed below
    await stack.startFleet(TERMINALS, ['--oracle', oracle()]);
    await stack.until('the fleet is loaded', async () => (await confirmed()) === TERMINALS, 90_000);
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    const { rows } = await client.query<{ id: string }>('select id from terminal');
    terminalIds = rows.map(({ id }) => id);
    await client.end();
  });
  afterAll(async () => {
    redis?.disconnect();
    await stack?.stop();
  });

  async function expectSound(loads: number): Promise<void> {
    const status = await stack.status();
    expect(status.loads).toEqual({ requested: loads, confirmed: loads, open: 0, failed: 0 });
    const history = await readHistory(stack.databaseUrl);
    const witnesses = {
      acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
      logs: Object.values(stack.logs()).join('\n'),
      atRest: true,
    };
    expect(violations(history, witnesses)).toEqual([]);
    expect(new Set(heldKeys(oracle()).map((key) => key.sha256)).size).toBe(2 * TERMINALS);
  }

  test('F19: emptied with all jobs in it, it is filled again from the database; nothing is lost, nothing is doubled', async () => {
    await stack.stopPart('kdh-server-2');
    await stack.api.post('/loads/batch', { terminalIds, reason: 'emptied' });
    await stack.until('the loads wait in Redis', async () => (await jobs()) > 0);
    await redis.flushall();
    await stack.startPart('kdh-server-2');
    await stack.until('all are confirmed', async () => (await confirmed()) === 2 * TERMINALS, 90_000);
    await expectSound(2 * TERMINALS);
  });

  test('F19: killed and started anew with nothing in it, while loads come', async () => {
    await stack.kill9('redis');
    await stack.api.post('/loads/batch', { terminalIds, reason: 'without Redis' });
    await stack.until('the api says that it is not ready', async () => {
      const response = await fetch(`${stack.httpUrl}/api/v1/ready`);
      return ((await response.json()) as { checks: { queue: string } }).checks.queue === 'failed';
    });
    await stack.startPart('redis');
    await stack.until('all are confirmed', async () => (await confirmed()) === 3 * TERMINALS, 90_000);
    await expectSound(3 * TERMINALS);
  });

  test('no serial number, KSN or key block is ever in it', async () => {
    await stack.stopPart('kdh-server-2');
    await stack.api.post('/loads/batch', { terminalIds, reason: 'looked into' });
    await stack.until('the loads wait in Redis', async () => (await jobs()) > 0);
    const kept = await Promise.all((await redis.keys('bull:derive:[0-9]*')).map((key) => redis.hgetall(key)));
    for (const job of kept) {
      const attempt = expect.stringMatching(/^[0-9a-f-]{36}$/);
      const { attempts } = JSON.parse(job['data']!) as { attempts: string[] };
      expect(attempts).toEqual(attempts.map(() => attempt));
      expect(Object.keys(JSON.parse(job['data']!))).toEqual(['attempts']);
    }
    await stack.startPart('kdh-server-2');
    await stack.until('all are confirmed', async () => (await confirmed()) === 4 * TERMINALS, 90_000);
  });
});
