// What it costs to claim and finish a job of a queue that is 100,000 loads deep, beside one that is nearly empty:
// `node test/bench/deep-queue.mjs [--depth 100000] [--rounds 5] [--redis redis://127.0.0.1:6379]` after `npx tsc -b`.
// One load to a job, the dearest case: kdh-server puts up to KDH_CHUNK_SIZE into one. With `--redis` databases 0 and 1 of
// that server are emptied. The exit code is 1 when the deep queue costs more than 1.5 times the other, and when PostgreSQL
// does not find the next job by an index.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { openDeriveQueue } from '../../apps/kdh-server/dist/queue/queue.js';
import { readyLine, startChild } from '../../apps/launcher/dist/child.js';
import { ensureDatabase, preparePostgres } from '../../apps/launcher/dist/embedded-postgres.js';
import { postgresPart } from '../../apps/launcher/dist/parts.js';
import { cpuSecondsOf, familyOf } from './loads/processes.mjs';
import { migrate } from './migration.mjs';

const { values: options } = parseArgs({
  options: {
    depth: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    redis: { type: 'string' },
  },
});
const depth = Number(options.depth);
const rounds = Number(options.rounds);
const limit = 1.5;
/** Jobs that a round claims, and adds again. */
const jobsPerRound = 2_000;
const jobsPerCall = 5_000;

const folder = mkdtempSync(join(tmpdir(), 'openkdh-bench-'));
mkdirSync(join(folder, 'logs'));
const stores = options.redis ? await openRedis(options.redis) : await openPostgres();
try {
  const deep = counted(stores.settings.deep);
  const empty = counted(stores.settings.empty);
  await deep.add(depth);
  assert.equal(await deep.depth(), depth, 'as many wait as were added');
  if (!options.redis) await judgeClaimPlan(stores.settings.deep.KDH_DATABASE_URL);

  const costs = { deep: [], empty: [] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, queue] of Object.entries({ empty, deep })) {
      await queue.add(jobsPerRound);
      const micros = await queue.claim(jobsPerRound);
      if (round > 0) costs[name].push(micros); // the first round warms up
    }
  }
  assert.equal(await empty.depth(), 0, 'what was claimed is gone');
  assert.ok((await deep.depth()) > depth - jobsPerRound, 'the deep queue stays deep');
  report(costs);
} finally {
  await stores.stop();
  rmSync(folder, { recursive: true });
}

/** A queue as kdh-server opens it, whose jobs are numbered: each must be handled once, and in order. */
function counted(settings) {
  let added = 0;
  let handled = 0;
  let highest = -1;
  const using = async (work) => {
    const queue = openDeriveQueue(settings, (error) => {
      throw error;
    });
    try {
      return await work(queue);
    } finally {
      await queue.close();
    }
  };
  return {
    add: (jobs) =>
      using(async (queue) => {
        const ids = Array.from({ length: jobs }, (_, n) => ({ attempts: [String(added + n)] }));
        added += jobs;
        for (let at = 0; at < jobs; at += jobsPerCall) await queue.add(ids.slice(at, at + jobsPerCall));
      }),
    depth: () => using(async (queue) => (await queue.depth()).waiting),
    /** Claims and finishes at least so many jobs: CPU µs of each, of this process and the store. */
    claim: async (jobs) => {
      const micros = await using(async (queue) => {
        const first = handled;
        const start = cpuMicros();
        await new Promise((resolve) => {
          queue.work(async ({ attempts: [id] }) => {
            handled += 1;
            highest = Math.max(highest, Number(id));
            if (handled - first === jobs) resolve();
          });
        });
        return (cpuMicros() - start) / (handled - first);
      });
      assert.equal(highest, handled - 1, 'the oldest jobs were handled, once each');
      return micros;
    },
  };
}

/** Prints the plan of the claim, as `move_to_active` of BullMQ asks for the next job. */
async function judgeClaimPlan(connectionString) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  const { rows } = await client.query(
    `explain select id from bullmq.job where queue = 'derive' and state = 'waiting' order by priority, seq
     for update skip locked limit 1`,
  );
  await client.end();
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  console.log(`${plan}\n`);
  if (!plan.includes('job_ready_idx') || /Seq Scan|Sort/.test(plan)) process.exitCode = 1;
}

function cpuMicros() {
  const { user, system } = process.cpuUsage();
  return user + system + familyOf(stores.pid).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0) * 1e6;
}

async function openPostgres() {
  const postgres = await preparePostgres(join(folder, 'postgres'));
  const part = postgresPart(postgres);
  const child = startChild(part.command, join(folder, 'postgres.log'));
  await readyLine(child, part.readyText, 60_000);
  const settings = {};
  for (const name of ['deep', 'empty']) {
    await ensureDatabase(postgres, name);
    settings[name] = { KDH_DATABASE_URL: await migrate(folder, postgres.urlOf(name)) };
  }
  const stop = async () => {
    child.process.kill(part.signals.stop);
    await child.ended;
  };
  return { settings, pid: child.process.pid, stop };
}

async function openRedis(url) {
  const settings = {};
  let pid;
  for (const [database, name] of ['deep', 'empty'].entries()) {
    const address = new URL(`/${database}`, url).href;
    const client = new Redis(address);
    await client.flushdb();
    pid = Number(/process_id:(\d+)/.exec(await client.info('server'))[1]);
    client.disconnect();
    settings[name] = { KDH_REDIS_URL: address };
  }
  return { settings, pid, stop: async () => {} };
}

function report({ deep, empty }) {
  const [model] = cpus();
  console.log(`${cpus().length} × ${model.model}, Node ${process.versions.node}`);
  console.log(`queue on ${options.redis ? 'Redis' : 'PostgreSQL'}, ${rounds} rounds of ${jobsPerRound} jobs`);
  console.log(
    `empty                 ${median(empty).toFixed(0).padStart(6)} CPU µs per job claimed and finished`,
  );
  console.log(`${String(depth).padEnd(7)} loads waiting ${median(deep).toFixed(0).padStart(6)}`);
  const ratio = median(deep.map((micros, round) => micros / empty[round]));
  console.log(`ratio, median of the rounds: ${ratio.toFixed(2)} (limit ${limit})`);
  if (ratio > limit) process.exitCode = 1;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
