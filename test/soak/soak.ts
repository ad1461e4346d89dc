// Hours under faults: `npm run soak -- [--minutes 5] [--seed S] [--terminals 200] [--nodes 1] [--redis]`. docs/reliability.md
// says what it does and has the figures of the last run. Ends with its counts, and with exit code 1 when an invariant was
// broken.
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectPayShield } from '@openkdh/hsm-client';
import pg from 'pg';
import { hsmSocketOf } from '../../apps/launcher/src/parts.ts';
import { Balancer } from '../support/balancer.ts';
import { acknowledgedLoads, type History, heldKeys, readHistory } from '../support/history.ts';
import { violations, type Witnesses } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';
import { Faults } from './faults.ts';
import { FaultyProxy } from './proxy.ts';
import { seeded } from './random.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    terminals: { type: 'string', default: '200' },
    nodes: { type: 'string', default: '1' },
    redis: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const terminals = Number(values.terminals);
const nodes = Number(values.nodes);
const { redis } = values;
const setting = `${terminals} terminals, ${nodes} nodes, queue in ${redis ? 'Redis' : 'PostgreSQL'}`;

/** Longest that the fleet may take to come to rest once the faults have ended. */
const restMs = 300_000;
/** Most that passes between two faults. */
const pauseMs = 1_500;
/** How often the history is judged while it grows. */
const judgeEveryMs = 60_000;
/** Share of the terminals that send every result twice: under TLS the proxy cannot double anything. */
const doublingShare = 0.1;
/** Share of the terminals that may be revoked. */
const revocableShare = 0.05;

const say = (line: string): void => console.log(line);

const random = seeded(seed);
say(`seed ${seed}: ${minutes} minutes, ${setting}`);
const stack = await Stack.start({
  ownPostgres: true,
  redis,
  nodes: Array.from({ length: nodes }, () => ({})),
});
const balancer = await Balancer.start(stack.nodes.map((node) => node.terminalPort));
const proxy = await FaultyProxy.listen(Number(new URL(balancer.terminalUrl).port), random);
const oracle = join(stack.folder, 'oracle.jsonl');
try {
  process.exitCode = (await soak()) === 0 ? 0 : 1;
} finally {
  proxy.close();
  await stack.stop();
  await balancer.stop();
}

/** Returns how many invariants were broken. */
async function soak(): Promise<number> {
  const releasedAtFirst = await operations();
  const doubled = Array.from({ length: terminals * doublingShare }, (_, n) => [
    '--misbehave',
    `duplicate-result@SIM-${String(10 * n + 1).padStart(6, '0')}`,
  ]);
  const kdh = ['--kdh', `wss://127.0.0.1:${proxy.port}/kdh`];
  await stack.startFleet(terminals, ['--oracle', oracle, ...kdh, ...doubled.flat()]);
  await stack.until(
    'the fleet is enrolled',
    async () => (await stack.status()).terminals.enrolled === terminals,
    120_000 + terminals * 2_000,
  );
  const ids = (await query<{ id: string }>('select id from terminal order by serial')).map(({ id }) => id);
  const faults = new Faults(stack, proxy, random, ids.slice(0, Math.floor(terminals * revocableShare)));
  say('the fleet is enrolled; faults begin');

  const found: string[] = [];
  let earlier: History | undefined;
  let judgeAt = Date.now() + judgeEveryMs;
  for (const end = Date.now() + minutes * 60_000; Date.now() < end; ) {
    await faults.next(ids);
    await sleep(random.below(pauseMs));
    if (Date.now() < judgeAt) continue;
    judgeAt = Date.now() + judgeEveryMs;
    const history = await readHistory(stack.databaseUrl);
    found.push(...violations(history, { earlier }));
    earlier = history;
    say(`${Math.round((end - Date.now()) / 1000)} s left, ${history.attempts.length} attempts so far`);
  }

  say('faults end');
  await faults.calm();
  const rest = stack.until('every load has ended', async () => (await open()) === 0, restMs);
  await rest.catch((error: Error) => say(error.message)); // I12 says which
  await sleep(2_000); // the oracle is written once a second
  const witnesses: Witnesses = {
    held: heldKeys(oracle),
    acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
    released: (await operations()) - releasedAtFirst,
    honest: true,
    atRest: true,
  };
  const record = join(tmpdir(), `openkdh-soak-${seed}.json`);
  const history = await readHistory(stack.databaseUrl);
  writeFileSync(record, JSON.stringify({ history, witnesses }), { mode: 0o600 });
  say(`history: ${record}`);
  found.push(...violations(history, { ...witnesses, earlier, logs: Object.values(stack.logs()).join('\n') }));

  for (const violation of found) say(`VIOLATION ${violation}`);
  say(JSON.stringify(faults.counts));
  const states = Object.entries(byState(history)).map(([state, count]) => `${count} ${state}`);
  say(
    `seed ${seed}, ${minutes} min, ${setting}, ${proxy.counts.connections} connections ` +
      `(${proxy.counts.faults} broken on the way), ${history.events.length} events, ` +
      `${history.attempts.length} attempts: ${states.join(', ')}; ${found.length} violations`,
  );
  return found.length;
}

/** Attempts that have not ended, of terminals that may be loaded. */
async function open(): Promise<number> {
  const rows = await query(
    `select 1 from attempt a join terminal t on t.id = a.terminal_id
     where a.outcome is null and t.state = 'ACTIVE'`,
  );
  return rows.length;
}

/** A connection of its own each time: PostgreSQL is killed under it. */
async function query<Row>(text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Keys that the HSM has released. */
async function operations(): Promise<number> {
  const hsm = await connectPayShield({
    endpoints: [{ transport: 'unix', path: hsmSocketOf(stack.folder) }],
  });
  try {
    return Number(await hsm.operationCount());
  } finally {
    await hsm.close();
  }
}

function byState({ attempts }: History): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of attempts) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
