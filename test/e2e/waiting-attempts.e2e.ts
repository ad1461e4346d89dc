import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Config } from '../../apps/kdh-server/src/config/config.ts';
import type { Database, Sql } from '../../apps/kdh-server/src/database/database.ts';
import { transition } from '../../apps/kdh-server/src/loads/attempt.ts';
import { applyMoves, lockAttempts } from '../../apps/kdh-server/src/loads/attempt-store.ts';
import { readChunk, readReservedKeys } from '../../apps/kdh-server/src/loads/chunk.ts';
import { Dispatcher } from '../../apps/kdh-server/src/loads/dispatcher.ts';
import { requestFirstLoads } from '../../apps/kdh-server/src/loads/first-load.ts';
import { loadsInFlight } from '../../apps/kdh-server/src/loads/in-flight.ts';
import { OutboxRelay } from '../../apps/kdh-server/src/loads/outbox-relay.ts';
import { Sweeper } from '../../apps/kdh-server/src/loads/sweeper.ts';
import type { DeriveQueue } from '../../apps/kdh-server/src/queue/queue.ts';
import { SessionOpener } from '../../apps/kdh-server/src/sessions/session-opener.ts';
import { type LiveSession, SessionRegistry } from '../../apps/kdh-server/src/sessions/session-registry.ts';
import { freshDatabase, type TestDatabase } from '../support/postgres.ts';

/** Half of them wait for a worker, with an outbox row each, half for their terminal, with two keys each. */
const WAITING = 100_000;
/** Tables that grow with the fleet or with the loads. */
const large =
  /Seq Scan on (attempt|attempt_key|outbox|terminal|terminal_certificate|terminal_kbpk|audit_event)\b/;
const id = (kind: string, n: number | string) =>
  `${kind}0000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

describe(`the engine with ${WAITING} attempts waiting`, () => {
  let own: TestDatabase;
  let client: pg.Client;
  let plans: { text: string; plan: string }[] = [];
  const config = { KDH_NODE_ID: 'kdh-1', KDH_CHUNK_SIZE: 100, KDH_LOAD_EXPIRY_SECONDS: 600 } as Config;

  /** Every statement is explained before it is carried out. */
  const sql: Sql = {
    async query<Row>(text: string, parameters: unknown[] = []) {
      const explained = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, parameters);
      plans.push({ text, plan: explained.rows.map((row) => row['QUERY PLAN']).join('\n') });
      return (await client.query(text, parameters)).rows as Row[];
    },
    afterCommit() {},
    commitsAs() {},
  };
  const database = {
    ...sql,
    transaction: <T>(work: (sql: Sql) => Promise<T>) => work(sql),
  } as unknown as Database;
  const relay = { wake() {} } as OutboxRelay;
  const signals = { on() {}, onResumed() {} } as never;

  /** What `work` asks of the database, each statement by an index where the table is large. */
  async function byIndex(work: () => Promise<unknown>, statements: number): Promise<void> {
    plans = [];
    await work();
    expect(plans.length).toBeGreaterThanOrEqual(statements);
    for (const { text, plan } of plans)
      expect([text, plan]).toEqual([text, expect.not.stringMatching(large)]);
  }

  beforeAll(async () => {
    own = await freshDatabase();
    client = new pg.Client({ connectionString: own.url });
    await client.connect();
    const at = (kind: string, n: string) =>
      `('${kind}0000000-0000-7000-8000-' || lpad(${n}::text, 12, '0'))::uuid`;
    await client.query(`
      insert into profile (id, name, slots) values ('${id('1', 1)}', 'PIN and data', '[]');
      insert into bdk (id, name, scheme, algorithm, key_block, kcv, bdk_id, last_device, max_devices)
        values ('${id('2', 1)}', 'BDK', 'TDES', 'T2', 'S', '000000', '0000000001', 500000, 400000);
      insert into terminal (id, serial, model, profile_id, attempts_made, bound_kdh_fingerprint)
        select ${at('3', 'n')}, 'SIM-' || n, 'M', '${id('1', 1)}', 1, 'F' from generate_series(1, ${WAITING}) n;
      insert into terminal_certificate (id, terminal_id, purpose, fingerprint, serial_number, spki_sha256, certificate,
          not_before, not_after)
        select gen_random_uuid(), ${at('3', 'n')}, p, p || n, n, p || n, '', now(), now() + interval '1 year'
        from generate_series(1, ${WAITING}, 10) n, unnest(array['TLS', 'ENCRYPTION', 'SIGNING']) p;
      insert into terminal_kbpk (id, terminal_id, slot, algorithm, key_block, kcv, attempt_id, confirmed_at)
        select gen_random_uuid(), ${at('3', 'n')}, 'KBPK-AES', 'A128', 'S', '000000', gen_random_uuid(), now()
        from generate_series(1, ${WAITING}, 10) n;
      insert into terminal_session (terminal_id, node_id, session_id, epoch, opened_at, closed_at)
        select ${at('3', 'n')}, 'kdh-1', gen_random_uuid(), 1, now(), case when n % 2 = 0 then now() end
        from generate_series(1, ${WAITING}) n;
      insert into node (id, lease_until) values ('kdh-1', now() + interval '1 hour');
      insert into attempt (id, load_id, terminal_id, number, kind, profile_id, profile_version, requested_by, state,
          deadline, watch_at, expires_at, nonce_k2)
        select ${at('4', 'n')}, gen_random_uuid(), ${at('3', 'n')}, 1, 'KEYS', '${id('1', 1)}', 1, 'operator:alice',
          case when n % 2 = 0 then 'APPROVED' else 'DISPATCHABLE' end, now() + n * interval '1 second',
          now() + n * interval '1 second' - interval '2 minutes', now() + interval '1 day', ''
        from generate_series(1, ${WAITING}) n;
      insert into attempt_key (attempt_id, position, slot, usage, algorithm, bdk_id, ksn, kcv_expected)
        select ${at('4', 'n')}, p, 'SLOT' || p, 'B1', 'T2', '${id('2', 1)}', n || '-' || p, '000000'
        from generate_series(1, ${WAITING}, 2) n, generate_series(0, 1) p;
      insert into outbox (attempt_id) select ${at('4', 'n')} from generate_series(2, ${WAITING}, 2) n;
      analyze`);
  }, 120_000);
  afterAll(async () => {
    await client.end();
    await own.drop();
  });

  const approved = Array.from({ length: 100 }, (_, n) => id('4', 2 * n + 2));
  const dispatchable = Array.from({ length: 100 }, (_, n) => id('4', 2 * n + 1));

  test('a worker claims a chunk', () =>
    byIndex(async () => {
      expect((await readChunk(sql, approved)).length).toBe(approved.length);
      await lockAttempts(sql, dispatchable);
      expect((await readReservedKeys(sql, dispatchable)).length).toBe(2 * dispatchable.length);
    }, 3));

  test('moves, and the end of an attempt', () =>
    byIndex(async () => {
      const moves = approved.slice(0, 50).map((attempt) => ({
        steps: [transition({ id: attempt, state: 'APPROVED', version: 1 }, 'cancel')] as [
          ReturnType<typeof transition>,
        ],
        actor: 'node:kdh-1',
        reasonCode: 'TEST',
      }));
      expect((await applyMoves(sql, moves)).size).toBe(moves.length);
    }, 2));

  test('the relay empties the outbox into the queue', () =>
    byIndex(async () => {
      const queued: string[] = [];
      const queue = {
        add: async (jobs: { attempts: string[] }[]) => {
          queued.push(...jobs.flatMap(({ attempts }) => attempts));
        },
      };
      const emptying = new OutboxRelay(config, queue as never, database);
      emptying.onApplicationBootstrap();
      await emptying.beforeApplicationShutdown();
      expect(queued.length).toBeGreaterThan(0);
    }, 1));

  /** One pass of the sweeper beside a queue with so many chunks in line. */
  async function sweep(waiting: number): Promise<void> {
    plans = [];
    const queue = { depth: async () => ({ waiting, active: 0 }) } as DeriveQueue;
    const sweeper = new Sweeper(config, database, relay, queue);
    sweeper.onApplicationBootstrap();
    await until(() => plans.some(({ text }) => text.includes('lapsed')));
    await sweeper.beforeApplicationShutdown();
  }

  test('the sweeper looks at what is due', () => byIndex(() => sweep(1), 2));

  test('what stands in line for a worker is queued anew when nothing is in line, or after ten minutes', async () => {
    const [recent, old] = [id('4', 50_000), id('4', 50_002)];
    const queuedAnew = async (waiting: number) => {
      await client.query('delete from outbox');
      await client.query(
        `update attempt set deadline = now() - interval '1 second', watch_at = now() where id = any($1)`,
        [[recent, old]],
      );
      await sweep(waiting);
      const { rows } = await client.query('select attempt_id as id from outbox order by attempt_id');
      return rows.map((row) => row.id).filter((one) => one === recent || one === old);
    };
    await client.query(
      `update attempt set times[2] = now() - case when id = $2 then interval '11 minutes' else interval '9 minutes' end
       where id = any($1)`,
      [[recent, old], old],
    );
    expect(await queuedAnew(1)).toEqual([old]);
    expect(await queuedAnew(0)).toEqual([recent, old]);
  });

  /** What a terminal's session of this node sends, by `session`. */
  const sent: LiveSession[] = [];
  const sessionOf = (n: number, epoch = 1n) => {
    const session = {
      terminalId: id('3', n),
      serial: `SIM-${n}`,
      epoch,
      sessionId: id('5', 1),
      ready: true,
      send: () => sent.push(session),
    } as unknown as LiveSession;
    return session;
  };

  test('a terminal connects, takes what waits for it, and a send is checked', () =>
    byIndex(async () => {
      const terminalId = id('3', 5_001);
      const opener = new SessionOpener(config, database);
      const { epoch } = await opener.open({
        terminalId,
        serial: 'SIM-5001',
        sessionId: id('5', 1),
        tlsFingerprint: '',
        hello: { hardware: '1', firmware: '1' } as never,
      });
      const session = sessionOf(5_001, epoch);
      const registry = new SessionRegistry();
      registry.register(session);
      await new Dispatcher(config, database, registry, signals).drain(session);
      await until(() => sent.includes(session));
      await requestFirstLoads(sql, [terminalId], { expirySeconds: 600 });
      await opener.close(session);
    }, 10));

  test('of a large fleet, a node sends no more than may be in flight; each answer makes room for the next', async () => {
    const above = 20;
    const fleet = Array.from({ length: loadsInFlight + above }, (_, n) => sessionOf(10 * n + 10_001));
    const registry = new SessionRegistry();
    for (const session of fleet) registry.register(session);
    const dispatcher = new Dispatcher(config, database, registry, signals);
    sent.length = 0;
    dispatcher.wake(
      fleet.map(({ terminalId }) => ({ attemptId: terminalId.replace('3', '4'), terminalId })), // the same number
    );
    const countSent = async () =>
      (await client.query(`select 1 from attempt where state = 'SENT' and sent_epochs = '{1}'`)).rowCount;
    await until(() => sent.length >= loadsInFlight);
    expect([sent.length, await countSent()]).toEqual([loadsInFlight, loadsInFlight]);
    for (const session of fleet.slice(0, above / 2)) {
      dispatcher.answered(session.terminalId.replace('3', '4'), session);
    }
    await until(() => sent.length === loadsInFlight + above / 2);
    for (const session of fleet.slice(above / 2, above)) {
      registry.remove(session);
      dispatcher.sessionEnded(session);
    }
    await until(() => sent.length === loadsInFlight + above);
    expect(sent).toEqual(fleet);
  });
});

/** Waits for a condition, however slow the machine is; the test's own time limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
