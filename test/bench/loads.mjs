// Loads per second end to end, beside the bound: `node test/bench/loads.mjs [--terminals 500] [--rounds 9]
// [--redis redis://127.0.0.1:6379] [--profile DIR]` after `npx tsc -b`. In each round every terminal gets a further load;
// the time is that from the first request to the last confirmation. docs/performance.md says what the bound is.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBound } from './loads/bound.mjs';
import { CpuMeter } from './loads/processes.mjs';
import { startSystem } from './loads/system.mjs';
import { serialsOf, terminalRecords } from './loads/terminals.mjs';

const { values: options } = parseArgs({
  options: {
    terminals: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '9' },
    redis: { type: 'string' },
    profile: { type: 'string' },
  },
});
const terminals = Number(options.terminals);
const rounds = Number(options.rounds);
/** Rounds that come first and are not counted: the JIT compilers and the caches of PostgreSQL. */
const warmUpRounds = 12;

const say = (line) => console.log(line);
const serials = serialsOf(terminals);
const folder = mkdtempSync(join(tmpdir(), 'openkdh-bench-'));
let system;
let bound;
try {
  say(`enrolling ${terminals} terminals and giving them their first keys ...`);
  system = await startSystem(folder, { redisUrl: options.redis, profileFolder: options.profile });
  await system.startFleet(terminals);
  const { enrolment } = (await terminalRecords(join(folder, 'terminals'))).get(serials[0]);
  bound = await startBound(system, {
    folder: join(folder, 'terminals'),
    serials,
    redisUrl: options.redis,
    clientCa: enrolment.chain,
  });

  await proveAgreement();
  for (let n = 0; n < warmUpRounds; n += 1) {
    await system.round();
    await bound.round();
  }
  report(await measure());
} finally {
  bound?.stop();
  await system?.stop();
  rmSync(folder, { recursive: true });
}

/** The bound delivers, for the KSNs of the last loads of kdh-server, the very keys that those terminals confirmed. */
async function proveAgreement() {
  await system.round();
  const deliveries = await system.deliveries();
  assert.deepEqual(Object.keys(deliveries).sort(), serials);
  const ksns = mapValues(deliveries, (slots) => mapValues(slots, ({ ksn }) => ksn));
  const { kcvs } = await bound.round(ksns);
  assert.deepEqual(
    kcvs,
    mapValues(deliveries, (slots) => mapValues(slots, ({ kcv }) => kcv)),
  );
}

/**
 * Rounds of the two take turns, so that both meet the same machine. What is left to seal when the last load of a round is
 * confirmed is sealed before the bound has its turn, and counts in the processor time of the system.
 */
async function measure() {
  const meter = new CpuMeter({ ...system.pids, ...bound.pids });
  const results = { system: { seconds: [], cpu: {} }, bound: { seconds: [], cpu: {} } };
  const take = async ({ seconds, cpu }, round, settled = async () => {}) => {
    meter.lap();
    seconds.push(await round());
    await settled();
    for (const [part, used] of Object.entries(meter.lap())) cpu[part] = (cpu[part] ?? 0) + used;
  };
  for (let n = 0; n < rounds; n += 1) {
    await take(results.system, system.round, system.settled);
    await take(results.bound, async () => (await bound.round()).seconds);
  }
  return results;
}

function report({ system: real, bound: bare }) {
  const [model] = cpus();
  say(`\n${cpus().length} × ${model.model}, Node ${process.versions.node}, load average ${loadAverage()}`);
  say(
    `${terminals} terminals, 2 keys each; ${rounds} rounds; queue on ${options.redis ? 'Redis' : 'PostgreSQL'}`,
  );
  const parts = ['kdh-server', 'bound server', 'soft-hsm', 'terminal-sim', 'bound terminals', 'PostgreSQL'];
  say(
    `\n${''.padEnd(12)}${'loads/s'.padStart(9)}${'least'.padStart(8)}${'most'.padStart(8)}   CPU µs per load`,
  );
  for (const [name, { seconds, cpu }] of [
    ['end to end', real],
    ['bound', bare],
  ]) {
    const rates = seconds.map((one) => terminals / one).sort((a, b) => a - b);
    const columns = [median(rates), rates[0], rates.at(-1)].map((rate, n) =>
      rate.toFixed(0).padStart(n ? 8 : 9),
    );
    const used = parts
      .map((part) => [part, perLoad(cpu[part])])
      .filter(([, micros]) => micros >= 1)
      .map(([part, micros]) => `${part} ${micros}`);
    const sum = parts.reduce((total, part) => total + (cpu[part] ?? 0), 0);
    say(`${name.padEnd(12)}${columns.join('')}   ${used.join(', ')}; ${perLoad(sum)} together`);
  }
  const ratios = real.seconds.map((seconds, n) => bare.seconds[n] / seconds);
  say(`\nratio, median of the rounds: ${median(ratios).toFixed(2)}`);
}

/** µs of each load, of CPU seconds of all rounds. */
function perLoad(seconds) {
  return Math.round((seconds / rounds / terminals) * 1e6);
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function mapValues(object, of) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, of(value)]));
}

function loadAverage() {
  return readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
}
