import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { placeOf } from '../../apps/kdh-server/src/loads/attempt.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import { Balancer } from '../support/balancer.ts';
import { enrolTerminal, HandDrivenTerminal } from '../support/hand-driven-terminal.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { type Node, Stack } from '../support/stack.ts';

const TERMINALS = 100;
const ROUNDS = 9;
const STORMS = 3;

describe('three nodes', () => {
  let stack: Stack;
  let balancer: Balancer;
  let client: pg.Client;
  let first: Node;
  let second: Node;
  let third: Node;
  const rows = async <Row>(text: string, parameters: unknown[] = []) =>
    (await client.query(text, parameters)).rows as Row[];
  const sessionOf = async (serial: string) =>
    (
      await rows<{ node: string; epoch: number; open: boolean }>(
        `select node_id as node, epoch::int, closed_at is null as open
         from terminal_session s join terminal t on t.id = s.terminal_id where t.serial = $1`,
        [serial],
      )
    )[0];

  beforeAll(async () => {
    // Small chunks, so that every node has some of a round; failpoints want the test LMK.
    const KDH_CHUNK_SIZE = '10';
    stack = await Stack.start({ testLmk: true, serverEnvironment: { KDH_CHUNK_SIZE }, nodes: [{}, {}, {}] });
    [first, second, third] = stack.nodes as unknown as [Node, Node, Node];
    balancer = await Balancer.start(stack.nodes.map((node) => node.terminalPort));
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await stack?.stop();
    await balancer?.stop();
  });

  describe('a campaign', () => {
    const oracle = () => join(stack.folder, 'oracle.jsonl');
    const sessionsOf = async (node: Node) =>
      (await rows('select 1 from terminal_session where node_id = $1 and closed_at is null', [node.name]))
        .length;
    /** Attempts of a round that this node has brought into a state, and nobody any further. */
    const heldBy = (node: Node, round: number, state: string) =>
      rows(
        `select 1 from attempt a join audit_event e on e.attempt_id = a.id
         where a.reason = $1 and a.state = $2 and e.type = 'attempt.' || lower($2) and e.actor = $3`,
        [`round ${round}`, state, `node:${node.name}`],
      );
    const confirmed = async () =>
      (await stack.apiOf(third).get<{ loads: { confirmed: number } }>('/status')).loads.confirmed;

    beforeAll(async () => {
      await stack.startFleet(TERMINALS, ['--oracle', oracle(), '--kdh', balancer.terminalUrl]);
      await stack.until(
        'the first load of every terminal is confirmed',
        async () => (await confirmed()) === TERMINALS,
        180_000,
      );
    });

    test('the fleet is spread over all nodes', async () => {
      const spread = await rows<{ sessions: number }>(
        'select count(*)::int as sessions from terminal_session where closed_at is null group by node_id',
      );
      expect(spread).toHaveLength(3);
      for (const { sessions } of spread) expect(sessions).toBeGreaterThan(TERMINALS / 6);
    });

    test(`${TERMINALS * (ROUNDS + 1)} loads, two nodes killed in turn: one key for each slot, none twice`, async () => {
      const terminals = await rows<{ id: string }>('select id from terminal');
      // Killed while it waits in the middle of loads: keys derived and not stored; SENT committed and no byte sent.
      const killed: Record<number, { victim: Node; at: string; state: string }> = {
        3: { victim: first, at: 'hsm.request:after', state: 'DERIVING' },
        6: { victim: second, at: 'socket.write:before', state: 'SENT' },
      };
      for (let round = 1; round <= ROUNDS; round++) {
        const kill = killed[round];
        if (kill) {
          await stack.stopPart(kill.victim.name);
          await stack.startPart(kill.victim.name, { KDH_FAILPOINTS: `${kill.at}=delay 60000` });
          balancer.cutAll(); // the fleet comes back to all three
          await stack.until('it holds terminals', async () => (await sessionsOf(kill.victim)) > 0, 60_000);
          await stack.armFailpoints(kill.victim.name);
        }
        await stack.apiOf(third).post<Load[]>('/loads/batch', {
          terminalIds: terminals.map(({ id }) => id),
          reason: `round ${round}`,
        });
        if (kill) {
          const { victim, state } = kill;
          const held = () => heldBy(victim, round, state);
          await stack.until(`loads stand at ${kill.at}`, async () => (await held()).length > 0, 60_000);
          await stack.kill9(victim.name);
          expect((await held()).length).toBeGreaterThan(0);
        }
        await stack.until(
          `round ${round} is confirmed`,
          async () => (await confirmed()) === TERMINALS * (round + 1),
          120_000,
        );
        if (kill) await stack.startPart(kill.victim.name);
      }
      const total = TERMINALS * (ROUNDS + 1);
      expect(await stack.status()).toMatchObject({
        loads: { requested: total, confirmed: total, open: 0, failed: 0 },
      });
      const newest = await rows<{ ksn: string }>(
        `select ksn from attempt_key k join attempt a on a.id = k.attempt_id
         where a.reason = $1 and k.ksn is not null`,
        [`round ${ROUNDS}`],
      );
      await stack.until('the oracle is written', () => {
        const ksns = new Set(heldKeys(oracle()).map((key) => key.ksn));
        return newest.every(({ ksn }) => ksns.has(ksn));
      });
      const held = heldKeys(oracle());
      expect(new Set(held.map((key) => `${key.serial} ${key.slot}`)).size).toBe(2 * TERMINALS);
      expect(held).toHaveLength(2 * TERMINALS);
      expect(
        violations(await readHistory(stack.databaseUrl), {
          held,
          acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
          logs: Object.values(stack.logs()).join('\n'),
          atRest: true,
        }),
      ).toEqual([]);
    }, 400_000);

    test('sessions that open while loads are sent and terminals suspended: no two transactions wait for each other', async () => {
      const terminalIds = (await rows<{ id: string }>('select id from terminal')).map(({ id }) => id);
      const before = await confirmed();
      for (let storm = 1; storm <= STORMS; storm++) {
        const loads = stack.apiOf(third).post('/loads/batch', { terminalIds, reason: `storm ${storm}` });
        balancer.cutAll();
        await loads;
        for (const id of terminalIds.slice(0, 5)) {
          await stack.apiOf(first).post(`/terminals/${id}/suspend`, { reason: 'storm' });
          await stack.apiOf(second).post(`/terminals/${id}/resume`, { reason: 'storm' });
        }
        await stack.restart('terminal-sim'); // who was suspended stays off until then
        await stack.until(
          `storm ${storm} is over`,
          async () => (await rows('select 1 from attempt where outcome is null')).length === 0,
          120_000,
        );
      }
      expect(await confirmed()).toBeGreaterThanOrEqual(before + STORMS * (TERMINALS - 5));
      const [{ deadlocks }] = (await rows(
        'select deadlocks::int from pg_stat_database where datname = current_database()',
      )) as [{ deadlocks: number }];
      expect(deadlocks).toBe(0);
    });

    test('a load that is ready on any node is told to the one that holds the terminal', async () => {
      // Without signals a load waits for the dispatcher's catch-up, a quarter of them up to 1.25 s and the others longer.
      // So many are faster on a busy machine, too.
      const [{ quarter }] = (await rows(
        `select percentile_cont(0.25) within group (order by
           extract(epoch from times[${placeOf('SENT')}] - times[${placeOf('DISPATCHABLE')}])) as quarter
         from attempt where reason like 'round %'`,
      )) as [{ quarter: number }];
      expect(quarter).toBeLessThan(1);
      const workers = await rows(
        `select 1 from attempt a join terminal_session s on s.terminal_id = a.terminal_id
         where a.reason = $1 and a.evidence ->> 'node' <> s.node_id`,
        [`round ${ROUNDS}`],
      );
      expect(workers.length).toBeGreaterThan(0);
    });

    test('a node that stood still for longer than its lease sends nothing, lets go of its terminals, and goes on', async () => {
      await stack.until('it holds terminals', async () => (await sessionsOf(first)) > 0);
      const [held] = await rows<{ id: string }>(
        'select terminal_id as id from terminal_session where node_id = $1 and closed_at is null',
        [first.name],
      );
      const { id } = held!;
      process.kill(stack.pidOf(first.name), 'SIGSTOP');
      const [before] = await rows<{ epoch: number }>(
        'select epoch::int from terminal_session where terminal_id = $1',
        [id],
      );
      await stack.until(
        'its terminals show as not connected',
        async () =>
          (await rows('select 1 from terminal_session where terminal_id = $1 and closed_at is null', [id]))
            .length === 0,
      );
      const load = await stack
        .apiOf(second)
        .post<{ id: string }>('/loads', { terminalId: id, reason: 'stands still' });
      const attempt = async () =>
        (
          await rows<{ state: string; epochs: number[] }>(
            'select state, sent_epochs::int[] as epochs from attempt where load_id = $1',
            [load.id],
          )
        )[0]!;
      await stack.until('the load waits', async () => (await attempt()).state === 'DISPATCHABLE');
      process.kill(stack.pidOf(first.name), 'SIGCONT');
      await stack.until('the load is confirmed', async () => (await attempt()).state === 'CONFIRMED', 60_000);
      const { epochs } = await attempt();
      expect(epochs.filter((epoch) => epoch <= before!.epoch)).toEqual([]);
    });
  });

  describe('one terminal', () => {
    test('the older of two sessions is ended, and its late close leaves the newer open', async () => {
      const terminal = await enrolTerminal(stack, 'NODES-TWICE');
      const older = await HandDrivenTerminal.welcomed(terminal, first.terminalUrl);
      const newer = await HandDrivenTerminal.welcomed(terminal, second.terminalUrl);
      expect([(await older.message('KICK')).b.code, await older.closed()]).toEqual([2006, 4206]);
      expect((await newer.message('WELCOME')).b.epoch).toBe((await older.message('WELCOME')).b.epoch + 1);
      await sleep(500); // the older node has recorded what it would
      expect(await sessionOf('NODES-TWICE')).toEqual({ node: second.name, epoch: 2, open: true });
      newer.socket.close();
      await stack.until('it is closed', async () => (await sessionOf('NODES-TWICE'))?.open === false);
    });

    test('revoked on one node, it is cut off on another', async () => {
      const terminal = await enrolTerminal(stack, 'NODES-REVOKED');
      const connection = await HandDrivenTerminal.welcomed(terminal, second.terminalUrl);
      await stack.apiOf(third).post(`/terminals/${terminal.id}/revoke`, { reason: 'stolen' });
      expect([(await connection.message('KICK')).b.code, await connection.closed()]).toEqual([2004, 4204]);
    });

    test.each([
      ['is cut', 'SIGTERM'],
      ['hangs', 'SIGSTOP'],
    ] as const)(
      'F18: revoked while the line of signals %s, it is cut off all the same',
      async (how, kill) => {
        const terminal = await enrolTerminal(stack, `NODES-${how.replace(' ', '-').toUpperCase()}`);
        const connection = await HandDrivenTerminal.welcomed(terminal, second.terminalUrl);
        const lines = await rows<{ pid: number }>(
          `select pid from pg_stat_activity where application_name = 'kdh-signals' and datname = current_database()`,
        );
        expect(lines).toHaveLength(3);
        for (const { pid } of lines) process.kill(pid, kill);
        try {
          await stack.api.post(`/terminals/${terminal.id}/revoke`, { reason: 'stolen' });
          // Found out after 3.5 s by the constants of signals.ts; nothing else would ever cut it off.
          expect(await connection.closed()).toBe(4204);
        } finally {
          if (kill === 'SIGSTOP') for (const { pid } of lines) process.kill(pid, 'SIGCONT');
        }
      },
    );

    test('on a node that was killed, it shows as not connected after the lease, once', async () => {
      const terminal = await enrolTerminal(stack, 'NODES-DEAD');
      const connection = await HandDrivenTerminal.welcomed(terminal, second.terminalUrl);
      await stack.kill9(second.name);
      expect(await connection.closed()).toBe(1006);
      expect(await sessionOf('NODES-DEAD')).toMatchObject({ node: second.name, open: true });
      await stack.until('its lease is over', async () => (await sessionOf('NODES-DEAD'))?.open === false);
      const events = await rows(
        `select body from audit_event where terminal_id = $1 and type = 'session.closed'`,
        [terminal.id],
      );
      expect(events).toEqual([{ body: { epoch: 1, node: second.name, reason: 'NODE_LOST' } }]);
      await stack.startPart(second.name);
    });

    test('a node that starts anew under its name closes what its predecessor left open', async () => {
      const terminal = await enrolTerminal(stack, 'NODES-AGAIN');
      await HandDrivenTerminal.welcomed(terminal, second.terminalUrl);
      await stack.kill9(second.name);
      await stack.startPart(second.name);
      expect(await sessionOf('NODES-AGAIN')).toMatchObject({ open: false });
    });
  });
});
