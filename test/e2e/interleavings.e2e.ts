import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Bdk } from '../../apps/kdh-server/src/keys/bdks.schemas.ts';
import { placeOf } from '../../apps/kdh-server/src/loads/attempt.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';

describe('acts that meet in the middle of a load', () => {
  let stack: Stack;
  let database: pg.Client;
  let profile: string;
  let hasFailpoints = false;

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
    stack.until(`the load is ${state}`, async () => (await stateOf(load)) === state);
  /** A server that waits, fails or repeats where `failpoints` say, with the terminal connected to it. */
  const restart = async (failpoints: string) => {
    await stack.kill9('terminal-sim');
    await stack.kill9('kdh-server');
    await stack.startPart('kdh-server', { KDH_FAILPOINTS: failpoints });
    hasFailpoints = true;
    await stack.startPart('terminal-sim');
    await stack.until('the terminal is connected', connected);
    await stack.armFailpoints();
  };
  /** What a failpoint holds goes on. */
  const goOn = () => stack.armFailpoints();
  const freeze = (bdk: Bdk) => stack.api.post(`/bdks/${bdk.id}/freeze`, { reason: 'suspicion' });
  const release = (bdk: Bdk) => stack.api.post(`/bdks/${bdk.id}/release`, { reason: 'cleared' });
  const firstBdk = async () => (await stack.api.get<[Bdk]>('/bdks'))[0];
  const isThere = async (activity: string) =>
    (
      await database.query(
        `select 1 from pg_stat_activity where datname = current_database() and ${activity}`,
      )
    ).rowCount !== 0;
  /** Of a load that is DISPATCHABLE: whose last statement was the check before a send, or the move to SENT. */
  const untilDispatcherHas = async (load: Load) => {
    await becomes(load, 'DISPATCHABLE');
    await stack.until('the dispatcher has the load', () =>
      isThere(
        `state = 'idle in transaction' and query like any (array['%certificates_valid%', '%sent_epochs%'])`,
      ),
    );
  };
  /** Waits until a statement like this waits for another transaction, unless `ended` says that it did not have to. */
  const untilWaits = (statement: string, ended: () => boolean | Promise<boolean>) =>
    stack.until(
      `this waits: ${statement}`,
      async () =>
        (await isThere(`wait_event_type = 'Lock' and query ilike '%${statement}%'`)) || (await ended()),
    );
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
    await stack.untilConfirmed(1);
    await stack.until('the oracle is written', () => heldKeys(join(stack.folder, 'oracle.jsonl')).length > 0);
  });
  afterAll(async () => {
    if (hasFailpoints) await goOn(); // a test that failed may have left something held, and a server that holds it does not end
    await database.end();
    await stack.stop();
  });

  test('a BDK is frozen while a load waits for its terminal: the load is cancelled when the terminal comes (F15)', async () => {
    await stack.stopPart('terminal-sim');
    const load = await request();
    await becomes(load, 'DISPATCHABLE');
    const bdk = await firstBdk();
    await freeze(bdk);
    await stack.startPart('terminal-sim');
    await becomes(load, 'CANCELLED');
    await release(bdk);
    expect(await found()).toEqual([]);
  });

  test('a BDK is frozen after KSNs of it were reserved: nothing is derived any more, the KSNs are burned', async () => {
    await restart('ksn.reserve:after=hold#1');
    const load = await request();
    await becomes(load, 'KSN_RESERVED');
    const bdk = await firstBdk();
    await freeze(bdk);
    await goOn();
    await becomes(load, 'CANCELLED');
    await release(bdk);
    const { rows } = await database.query(
      `select times[${placeOf('DERIVING')}] as derived from attempt where load_id = $1`,
      [load.id],
    );
    expect(rows).toEqual([{ derived: null }]);
    expect(await found()).toEqual([]);
  });

  test('a BDK is frozen while SENT is committed: the answer to the freeze comes after the last send (I9)', async () => {
    await restart('sent.commit:before=hold#1');
    const load = await request();
    await untilDispatcherHas(load);
    const bdk = await firstBdk();
    let frozen = false;
    const freezing = freeze(bdk).then(() => {
      frozen = true;
    });
    await untilWaits('bdk', () => frozen);
    expect([frozen, await stateOf(load)]).toEqual([false, 'DISPATCHABLE']);
    await goOn();
    await freezing;
    expect(await stateOf(load)).not.toBe('DISPATCHABLE');
    await becomes(load, 'CONFIRMED');
    await release(bdk);
    expect(await found()).toEqual([]);
  });

  test('a session is being closed by another node: whoever sends a load waits for that, and sends nothing', async () => {
    await restart('precheck:before=hold#1');
    const load = await request();
    await becomes(load, 'DISPATCHABLE');
    const before = await epoch();
    // As orphaned-sessions.ts does it, in a transaction that stands still until the dispatcher has come to it.
    await database.query('begin');
    await database.query('update terminal_session set closed_at = now()');
    await goOn();
    const isSent = async () => (await stateOf(load)) !== 'DISPATCHABLE';
    await untilWaits('certificates_valid', isSent);
    expect(await isSent()).toBe(false);
    await database.query('commit');
    await stack.kill9('terminal-sim');
    await stack.startPart('terminal-sim');
    await becomes(load, 'CONFIRMED');
    const { rows } = await database.query<{ epochs: number[] }>(
      'select sent_epochs::int[] as epochs from attempt where load_id = $1',
      [load.id],
    );
    expect(rows).toEqual([{ epochs: [before + 1] }]);
    expect(await found()).toEqual([]);
  });

  test('a terminal comes back while its load is being sent: the old session sends nothing more (F12, F13)', async () => {
    await restart('precheck:after=hold#1');
    const load = await request();
    await untilDispatcherHas(load);
    const before = await epoch();
    await stack.kill9('terminal-sim');
    await stack.startPart('terminal-sim');
    await untilWaits('insert into terminal_session', async () => (await epoch()) > before);
    expect(await epoch()).toBe(before);
    await goOn();
    await becomes(load, 'CONFIRMED'); // asked for at once in the new session, not when its deadline has passed
    expect(await found()).toEqual([]);
  });

  test('the HSM answers a worker after another has derived again: the late answer is not stored (F2, F5)', async () => {
    // The first answer comes while the second worker still waits for its own: both have the attempt in DERIVING.
    await restart('hsm.request:after=delay 4000#1,hsm.request:before=delay 6000#2');
    const load = await request();
    await becomes(load, 'DERIVING');
    await hurry();
    await becomes(load, 'CONFIRMED');
    expect(await found()).toEqual([]);
  });

  test.each(['outbox.relay', 'ksn.reserve', 'derive.intent', 'wrap.store', 'sent.commit', 'confirm.commit'])(
    '%s is committed and the answer to the commit is lost (F17)',
    async (commit) => {
      await restart(`${commit}:after=throw#1`);
      const load = await request();
      const hurrying = setInterval(() => void hurry(), 1_000); // not faster: what is under way has time to end
      await becomes(load, 'CONFIRMED').finally(() => clearInterval(hurrying));
      expect(await found()).toEqual([]);
    },
  );

  test.each(['queue.add', 'job.start', 'hsm.request', 'socket.write', 'result.received'])(
    '%s happens twice (F5, F10)',
    async (effect) => {
      await restart(`${effect}:after=twice`);
      const load = await request();
      await becomes(load, 'CONFIRMED');
      expect(await found()).toEqual([]);
    },
  );
});
