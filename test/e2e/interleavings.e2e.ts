import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Bdk } from '../../apps/kdh-server/src/keys/bdks.schemas.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';

/** Long enough for another act to fall into it, and shorter than any deadline. */
const DELAY = 'delay 4000';

describe('acts that meet in the middle of a load', () => {
  let stack: Stack;
  let database: pg.Client;
  let profile: string;

  const startFleet = () => stack.startFleet(1, ['--oracle', join(stack.folder, 'oracle.jsonl')], profile);
  const connected = async () => (await stack.status()).terminals.connected === 1;
  const stateOf = async ({ id }: Load) => (await stack.api.get<Load>(`/loads/${id}`)).attempts[0]!.state;
  const request = async (): Promise<Load> => {
    const [terminal] = await stack.api.get<{ id: string }[]>('/terminals?serial=SIM-000001');
    return stack.api.post<Load>('/loads', { terminalId: terminal!.id, reason: 'interleaving' });
  };
  const epoch = async () =>
    Number((await database.query<{ epoch: string }>('select epoch from terminal_session')).rows[0]!.epoch);
  const becomes = (load: Load, state: string) =>
    stack.until(`the load is ${state}`, async () => (await stateOf(load)) === state, 40_000);
  /** A server that waits, fails or repeats where `failpoints` say, with the terminal connected to it. */
  const restart = async (failpoints: string) => {
    await stack.kill9('terminal-sim');
    await stack.kill9('kdh-server');
    await stack.startPart('kdh-server', { KDH_FAILPOINTS: failpoints });
    await stack.startPart('terminal-sim');
    await stack.until('the terminal is connected', connected);
    await stack.armFailpoints();
  };
  /** The deadlines of what is under way have passed. */
  const hurry = () =>
    database.query(
      `update attempt set deadline = now(), watch_at = now() where state in ('APPROVED', 'KSN_RESERVED', 'DERIVING', 'SENT')`,
    );
  const found = async () =>
    violations(await readHistory(stack.databaseUrl), {
      held: heldKeys(join(stack.folder, 'oracle.jsonl')),
      acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
      honest: true,
    }).filter((violation) => !violation.startsWith('I4: what was confirmed last')); // the oracle is a second late

  beforeAll(async () => {
    stack = await Stack.start({ testLmk: true });
    database = new pg.Client({ connectionString: stack.databaseUrl });
    await database.connect();
    profile = await provisionKeys(stack.api);
    await startFleet();
    await stack.until('the terminal is loaded', async () => (await stack.status()).loads.confirmed === 1);
  }, 120_000);
  afterAll(async () => {
    await database.end();
    await stack.stop();
  });

  test('a BDK is frozen while a load waits for its terminal: the load is cancelled when the terminal comes (F15)', async () => {
    await stack.stopPart('terminal-sim');
    const load = await request();
    await becomes(load, 'DISPATCHABLE');
    const [bdk] = await stack.api.get<Bdk[]>('/bdks');
    await stack.api.post(`/bdks/${bdk!.id}/freeze`, { reason: 'suspicion' });
    await stack.startPart('terminal-sim');
    await becomes(load, 'CANCELLED');
    await stack.api.post(`/bdks/${bdk!.id}/release`, { reason: 'cleared' });
    expect(await found()).toEqual([]);
  }, 90_000);

  test('a BDK is frozen after KSNs of it were reserved: nothing is derived any more, the KSNs are burned', async () => {
    await restart(`ksn.reserve:after=${DELAY}`);
    const load = await request();
    await becomes(load, 'KSN_RESERVED');
    const [bdk] = await stack.api.get<Bdk[]>('/bdks');
    await stack.api.post(`/bdks/${bdk!.id}/freeze`, { reason: 'suspicion' });
    await becomes(load, 'CANCELLED');
    await stack.api.post(`/bdks/${bdk!.id}/release`, { reason: 'cleared' });
    const { rows } = await database.query<{ times: object }>('select times from attempt where load_id = $1', [
      load.id,
    ]);
    expect(Object.keys(rows[0]!.times)).not.toContain('DERIVING');
    expect(await found()).toEqual([]);
  }, 90_000);

  test('a BDK is frozen while SENT is committed: the answer to the freeze comes after the last send (I9)', async () => {
    await restart(`sent.commit:before=${DELAY}`);
    const load = await request();
    await stack.until(
      'the dispatcher has the load',
      async () => {
        const { rows } = await database.query(
          `select 1 from pg_stat_activity where state = 'idle in transaction' and query like '%attempt_key%'`,
        );
        return rows.length > 0;
      },
      10_000,
    );
    const [bdk] = await stack.api.get<Bdk[]>('/bdks');
    await stack.api.post(`/bdks/${bdk!.id}/freeze`, { reason: 'suspicion' });
    expect(await stateOf(load)).not.toBe('DISPATCHABLE');
    await becomes(load, 'CONFIRMED');
    await stack.api.post(`/bdks/${bdk!.id}/release`, { reason: 'cleared' });
    expect(await found()).toEqual([]);
  }, 90_000);

  test('a terminal comes back while its load is being sent: the old session sends nothing more (F12, F13)', async () => {
    await restart('precheck:after=delay 5000#1');
    const load = await request();
    await becomes(load, 'DISPATCHABLE');
    await sleep(200); // the dispatcher has read which session is the newest
    const before = await epoch();
    await stack.kill9('terminal-sim');
    await stack.startPart('terminal-sim');
    await stack.until('the terminal has a newer session', async () => (await epoch()) > before);
    await becomes(load, 'CONFIRMED'); // asked for at once in the new session, not when its deadline has passed
    expect(await found()).toEqual([]);
  }, 90_000);

  test('the HSM answers a worker after another has derived again: the late answer is not stored (F2, F5)', async () => {
    // The first answer comes while the second worker still waits for its own: both have the attempt in DERIVING.
    await restart('hsm.request:after=delay 4000#1,hsm.request:before=delay 6000#2');
    const load = await request();
    await becomes(load, 'DERIVING');
    await hurry();
    await becomes(load, 'CONFIRMED');
    expect(await found()).toEqual([]);
  }, 90_000);

  test.each(['outbox.relay', 'ksn.reserve', 'derive.intent', 'wrap.store', 'sent.commit', 'confirm.commit'])(
    '%s is committed and the answer to the commit is lost (F17)',
    async (commit) => {
      await restart(`${commit}:after=throw#1`);
      const load = await request();
      await stack.until('the load is confirmed', async () => {
        await sleep(1_000);
        await hurry();
        return (await stateOf(load)) === 'CONFIRMED';
      });
      expect(await found()).toEqual([]);
    },
    90_000,
  );

  test.each(['queue.add', 'job.start', 'hsm.request', 'socket.write', 'result.received'])(
    '%s happens twice (F5, F10)',
    async (effect) => {
      await restart(`${effect}:after=twice`);
      const load = await request();
      await becomes(load, 'CONFIRMED');
      expect(await found()).toEqual([]);
    },
    90_000,
  );
});
