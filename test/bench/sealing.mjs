// How fast a backlog is sealed, and what sealing adds to a load: `node test/bench/sealing.mjs [--terminals 500] [--rounds 5]
// [--events 50000] [--profile DIR]` after `npx tsc -b`. First rounds of loads, end to end, for the CPU time of a load; then backlogs of
// the events of loads, sealed by the same kdh-server beside the same PostgreSQL with fsync.
// Limits: 5,000 events/s, and a tenth more for a load by the sealing of its events. Exits with 1 where one is missed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { eventsOfLoad } from './loads/events.mjs';
import { CpuMeter } from './loads/processes.mjs';
import { startSystem } from './loads/system.mjs';

const { values: options } = parseArgs({
  options: {
    terminals: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '50000' },
    profile: { type: 'string' },
  },
});
const terminals = Number(options.terminals);
const rounds = Number(options.rounds);
const events = Number(options.events);
const eventsPerLoad = eventsOfLoad(1).length;
/** A statement of kdh-server moves the attempts of a chunk, each with one event: KDH_CHUNK_SIZE. */
const eventsPerStatement = 100;
/** What comes first and is not counted: the JIT compilers and the caches of PostgreSQL. */
const warmUps = { rounds: 8, backlogs: 2 };
const limits = { perSecond: 5_000, added: 0.1 };

const folder = mkdtempSync(join(tmpdir(), 'openkdh-bench-'));
let system;
let loads = 0;
try {
  system = await startSystem(folder, { profileFolder: options.profile });
  await system.startFleet(terminals);
  for (let n = 0; n < warmUps.rounds; n += 1) await system.round();
  const loadMicros = await load();
  await system.stopPart('terminal-sim');
  await system.database.query('vacuum (analyze)'); // what the loads left to autovacuum is not the sealer's
  for (let n = 0; n < warmUps.backlogs; n += 1) await seal(events / 10);
  const measured = [];
  for (let n = 0; n < rounds; n += 1) measured.push(await seal(events));
  report(measured, loadMicros);
} finally {
  await system?.stop();
  rmSync(folder, { recursive: true });
}

/** CPU µs of a load in all processes, its sealing included: the median of the rounds. */
async function load() {
  const meter = new CpuMeter(system.pids);
  const micros = [];
  for (let n = 0; n < rounds; n += 1) {
    await system.settled();
    meter.lap();
    await system.round();
    await system.settled();
    const seconds = Object.values(meter.lap()).reduce((sum, each) => sum + each, 0);
    micros.push((seconds / terminals) * 1e6);
  }
  return median(micros);
}

/** Commits so many events at once; how many are sealed in a second, from the first index given to the last, and CPU µs of each. */
async function seal(count) {
  await system.settled();
  const before = await size();
  await record(count);
  const meter = new CpuMeter({
    'kdh-server': system.pids['kdh-server'],
    PostgreSQL: system.pids.PostgreSQL,
  });
  let first = before;
  let started;
  for (let sealed = before; sealed < before + count; sealed = await size()) {
    if (sealed > first && started === undefined) [first, started] = [sealed, performance.now()];
    await sleep(20);
  }
  const seconds = (performance.now() - started) / 1000;
  const cpu = Object.entries(meter.lap()).map(([name, spent]) => [name, (spent / count) * 1e6]);
  await system.settled();
  assert.equal(await size(), before + count, 'each event got its index, once');
  return { perSecond: (before + count - first) / seconds, cpu: Object.fromEntries(cpu) };
}

/** The events of loads that go side by side, state by state, in one transaction: they are there all at once. */
async function record(count) {
  const { database } = system;
  await database.query('begin');
  for (let left = count; left > 0; ) {
    const chunk = Array.from({ length: eventsPerStatement }, () => eventsOfLoad(++loads));
    for (let n = 0; n < eventsPerLoad && left > 0; n += 1) {
      const written = chunk.map((load) => load[n]).slice(0, left);
      left -= written.length;
      await database.query(
        `insert into audit_event (type, actor, terminal_id, attempt_id, body)
         select * from unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::jsonb[])`,
        [
          written.map(({ type }) => type),
          written.map(({ actor }) => actor),
          written.map(({ terminal }) => terminal),
          written.map(({ attempt }) => attempt),
          written.map(({ body }) => JSON.stringify(body)),
        ],
      );
    }
  }
  await database.query('commit');
}

async function size() {
  const { rows } = await system.database.query('select size::int as size from log_head');
  return rows[0].size;
}

function report(measured, loadMicros) {
  const [model] = cpus();
  console.log(
    `${cpus().length} × ${model.model}, Node ${process.versions.node}, load average ${loadavg()[0].toFixed(1)}`,
  );
  const rates = measured.map(({ perSecond }) => perSecond);
  const perSecond = median(rates);
  console.log(
    `${events} events sealed: ${rates.map((rate) => rate.toFixed(0)).join(', ')} a second, ` +
      `median ${perSecond.toFixed(0)} (limit ${limits.perSecond})`,
  );
  const micros = Object.fromEntries(
    Object.keys(measured[0].cpu).map((name) => [name, median(measured.map(({ cpu }) => cpu[name]))]),
  );
  const names = Object.entries(micros).map(([name, each]) => `${name} ${each.toFixed(1)}`);
  const perLoad = eventsPerLoad * Object.values(micros).reduce((sum, each) => sum + each, 0);
  const added = perLoad / (loadMicros - perLoad);
  console.log(
    `CPU µs per event: ${names.join(', ')}; ${perLoad.toFixed(0)} for the ${eventsPerLoad} of a load, ` +
      `${(added * 100).toFixed(1)} % more than its ${(loadMicros - perLoad).toFixed(0)} without (limit ${limits.added * 100} %)`,
  );
  if (perSecond < limits.perSecond || added > limits.added) process.exitCode = 1;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
