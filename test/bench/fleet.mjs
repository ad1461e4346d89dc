// What a large fleet costs: `node test/bench/fleet.mjs [--terminals 19000] [--few 1000] [--folder DIR]` after `npx tsc -b`.
// 1. Processor time of a load with many terminals beside that with few: at most 1.3 times as much.
// 2. Memory of kdh-server for an idle terminal on mutual TLS: at most 100 KiB.
// 3. kdh-server is killed and starts again: until every terminal is back, and its handshakes per second as a share of what
//    a bare TLS server does with the same certificates in the same run.
// Every terminal needs a file descriptor on each side: 19,000 fit under the common limit of 20,000. The exit code is 1
// above a limit. With `--folder` the fleets are kept there, and a run that was cut short goes on with the terminals that
// are enrolled and loaded.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CpuMeter, cpuSecondsOf } from './loads/processes.mjs';
import { startSystem, waitUntil } from './loads/system.mjs';
import { serialsOf, terminalRecords } from './loads/terminals.mjs';

const { values: options } = parseArgs({
  options: {
    terminals: { type: 'string', default: '19000' },
    few: { type: 'string', default: '1000' },
    folder: { type: 'string' },
  },
});
const many = Number(options.terminals);
const few = Number(options.few);

const limits = { costRatio: 1.3, idleKibibytes: 100 };
/** All terminals have one address here. */
const serverEnvironment = { KDH_ADDRESS_CONNECTIONS_PER_SECOND: '4000' };
/** Each round is as many loads with few terminals as with many: the tables grow alike. */
const rounds = 1;
/** Two pings, and time for garbage to be collected. */
const idleMs = 60_000;
/** terminal-sim waits at most so long before it tries again; a bare handshake takes 2.5 ms. */
const backTimeoutMs = 300_000 + many * 20;
const bareTerminals = Math.min(many, 5_000);
const progressEveryMs = 15_000;

const say = (line) => console.log(line);
const [model] = cpus();
say(`${cpus().length} × ${model.model}, Node ${process.versions.node}, load average ${loadAverage()}`);

const costOfFew = await withSystem('few', async (system) => {
  await loadFirst(system, few);
  return costOfLoads(system, few, Math.ceil(many / few));
});
await withSystem('many', async (system, folder) => {
  await loadFirst(system, many);
  const costOfMany = await costOfLoads(system, many, 1);
  const cost = costOfMany / costOfFew;
  say(`\ncost of a load: ${few} terminals ${micros(costOfFew)}, ${many} terminals ${micros(costOfMany)}`);
  judge('cost ratio', cost.toFixed(2), cost <= limits.costRatio, limits.costRatio);

  const kibibytes = await idleMemory(system);
  judge(
    'KiB for an idle terminal',
    kibibytes.toFixed(1),
    kibibytes <= limits.idleKibibytes,
    limits.idleKibibytes,
  );

  const back = await comeBack(system);
  const bare = await bareHandshakes(system, folder);
  say(`${many} of ${many} terminals are back ${back.seconds.toFixed(1)} s after kdh-server listens again`);
  const [rate, bareRate] = [many / back.seconds, bareTerminals / bare.seconds];
  say(
    `handshakes: ${rate.toFixed(0)}/s; bare TLS server ${bareRate.toFixed(0)}/s; share ${(rate / bareRate).toFixed(2)}`,
  );
  const [cpu, bareCpu] = [back.cpuSeconds / many, bare.cpuSeconds / bareTerminals];
  say(
    `CPU of the server for each: ${micros(cpu)}, PostgreSQL included; bare ${micros(bareCpu)}; share ${(bareCpu / cpu).toFixed(2)}`,
  );
});

async function withSystem(name, use) {
  const folder = options.folder ? join(options.folder, name) : mkdtempSync(join(tmpdir(), 'openkdh-bench-'));
  mkdirSync(folder, { recursive: true });
  let system;
  try {
    system = await startSystem(folder, { serverEnvironment });
    return await use(system, folder);
  } finally {
    await system?.stop();
    if (!options.folder) rmSync(folder, { recursive: true });
  }
}

async function loadFirst(system, terminals) {
  const start = performance.now();
  let last;
  await system.startFleet(terminals, ({ enrolled, loaded }) => {
    const now = performance.now();
    last ??= { loaded, at: now };
    if (now - last.at < progressEveryMs) return;
    const rate = (loaded - last.loaded) / ((now - last.at) / 1000);
    say(`  ${terminals} terminals: ${enrolled} enrolled, ${loaded} loaded, ${rate.toFixed(1)} a second`);
    last = { loaded, at: now };
  });
  const seconds = (performance.now() - start) / 1000;
  say(`${terminals} terminals enrolled, bound and loaded in ${seconds.toFixed(0)} s`);
}

/** CPU seconds of all parts for one load, sealing included. */
async function costOfLoads(system, terminals, repetitions) {
  for (let n = 0; n < repetitions; n += 1) await system.round(); // as many loads on either side to get warm
  await system.settled();
  const meter = new CpuMeter(system.pids);
  let loads = 0;
  for (let n = 0; n < rounds * repetitions; n += 1) {
    await system.round();
    loads += terminals;
  }
  await system.settled();
  const used = meter.lap();
  say(
    `${terminals} terminals, CPU per load: ${Object.entries(used)
      .map(([part, s]) => `${part} ${micros(s / loads)}`)
      .join(', ')}`,
  );
  return Object.values(used).reduce((sum, one) => sum + one) / loads;
}

/** Resident memory that a server just started has with all terminals more than with none, in KiB for each. */
async function idleMemory(system) {
  await system.stopPart('terminal-sim');
  await system.stopPart('kdh-server');
  await system.startPart('kdh-server');
  await sleep(idleMs / 4);
  const before = residentKibibytes(system.pids['kdh-server']);
  const since = await now(system);
  await system.startPart('terminal-sim');
  await waitUntil(() => allConnected(system, since), backTimeoutMs, 500);
  await sleep(idleMs);
  const after = residentKibibytes(system.pids['kdh-server']);
  say(
    `kdh-server: ${mebibytes(before)} with none, ${mebibytes(after)} with ${many} idle terminals; ` +
      `terminal-sim: ${mebibytes(residentKibibytes(system.pids['terminal-sim']))}`,
  );
  return (after - before) / many;
}

/** Kills kdh-server and starts it: seconds from when it listens until all are back, and CPU seconds of it and PostgreSQL. */
async function comeBack(system) {
  const since = await now(system);
  await system.stopPart('kdh-server', 'SIGKILL');
  await system.startPart('kdh-server');
  const start = performance.now();
  const meter = new CpuMeter({ server: system.pids['kdh-server'], database: system.pids.PostgreSQL });
  await waitUntil(() => allConnected(system, since), backTimeoutMs, 500);
  const { server, database } = meter.lap();
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: server + database };
}

async function allConnected({ database }, since) {
  const { rows } = await database.query(
    'select count(*)::int as sessions from terminal_session where closed_at is null and opened_at > $1',
    [since],
  );
  return rows[0].sessions === many;
}

async function now({ database }) {
  const { rows } = await database.query('select clock_timestamp() as now');
  return rows[0].now;
}

/** The same for a bare TLS server: seconds for all handshakes, and CPU seconds of the server. */
async function bareHandshakes(system, folder) {
  await system.stopPart('terminal-sim');
  const terminals = join(folder, 'terminals');
  const serials = serialsOf(bareTerminals);
  const { enrolment } = (await terminalRecords(terminals)).get(serials[0]);
  const processes = ['server', 'clients'].map((role) =>
    fork(new URL('fleet/bare-tls.mjs', import.meta.url), [role]),
  );
  const ask = async (child, settings) => {
    child.send(settings);
    const [answer] = await once(child, 'message');
    return answer;
  };
  try {
    const [server, clients] = processes;
    const listening = await ask(server, { clientCa: enrolment.chain });
    const before = cpuSecondsOf(server.pid);
    const { seconds } = await ask(clients, { folder: terminals, serials, ...listening });
    return { seconds, cpuSeconds: cpuSecondsOf(server.pid) - before };
  } finally {
    for (const child of processes) child.kill();
  }
}

/** VmRSS of proc_pid_status(5). */
function residentKibibytes(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

function judge(what, measured, holds, limit) {
  say(`${what}: ${measured}, limit ${limit}: ${holds ? 'held' : 'MISSED'}`);
  if (!holds) process.exitCode = 1;
}

function micros(seconds) {
  return `${(seconds * 1e6).toFixed(0)} µs`;
}

function mebibytes(kibibytes) {
  return `${(kibibytes / 1024).toFixed(0)} MiB`;
}

function loadAverage() {
  return readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
}
