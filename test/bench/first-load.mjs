// From the moment that a new terminal connects to the moment that its keys are confirmed, at low load:
// `node test/bench/first-load.mjs [--terminals 200] [--per-second 4]` after `npx tsc -b`. Real processes; the terminals
// are those of terminal-sim, with a clock in their hand. p50 and p99 of each step.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Connection } from '../../apps/terminal-sim/dist/connection.js';
import { enrol } from '../../apps/terminal-sim/dist/enrol.js';
import { certificationRequests } from '../../apps/terminal-sim/dist/identity.js';
import { honest } from '../../apps/terminal-sim/dist/misbehaviour.js';
import { changed } from '../../apps/terminal-sim/dist/record.js';
import { Store } from '../../apps/terminal-sim/dist/store.js';
import { isLoaded } from '../../apps/terminal-sim/dist/terminal.js';
import { writeIdentities } from './loads/identities.mjs';
import { startSystem } from './loads/system.mjs';
import { serialsOf } from './loads/terminals.mjs';

const { values: options } = parseArgs({
  options: {
    terminals: { type: 'string', default: '200' },
    'per-second': { type: 'string', default: '4' },
  },
});
const serials = serialsOf(Number(options.terminals));
const everyMs = 1000 / Number(options['per-second']);
/** The first ones meet a cold server. */
const warmUpTerminals = 20;
const timeoutMs = 30_000;

/** What a terminal sends or hears first after each step; `step` is what lay between it and the mark before. */
const marks = [
  { mark: 'send HELLO', step: 'TCP, TLS 1.3 with both certificates, upgrade' },
  { mark: 'hear WELCOME', step: 'session: admitted, epoch committed' },
  { mark: 'send RANDOM', step: 'bind: certificates and CRL judged on both sides, binding committed' },
  { mark: 'hear LOAD_KBPK', step: 'first KBPK: queued, generated, TR-34 token made, SENT committed' },
  { mark: 'send LOAD_RESULT 1', step: 'token judged, opened, stored; result signed' },
  { mark: 'hear LOAD_ACK 1', step: 'result judged, CONFIRMED committed' },
  { mark: 'hear LOAD_KEYS', step: 'keys: queued, KSNs reserved, derived, wrapped, SENT committed' },
  { mark: 'send LOAD_RESULT 2', step: 'blocks unwrapped, stored; result signed' },
  { mark: 'hear LOAD_ACK 2', step: 'result judged, CONFIRMED committed' },
];

const folder = mkdtempSync(join(tmpdir(), 'openkdh-bench-'));
let system;
try {
  system = await startSystem(folder, {});
  await writeIdentities(join(folder, 'terminals'), serials);
  const store = await Store.open(join(folder, 'terminals'), changed);
  for (const serial of serials) {
    const csrs = await certificationRequests(serial, store.records.get(serial).identity);
    const enrolment = await enrol(system.enrolment, { serial, csrs }, new AbortController().signal);
    await store.commit(serial, { enrolment });
  }
  console.log(
    `${serials.length} terminals are enrolled; ${options['per-second']} of them connect each second ...`,
  );
  const ways = [];
  const start = performance.now();
  for (const [n, serial] of serials.entries()) {
    await sleep(start + n * everyMs - performance.now());
    ways.push(load(serial, store));
  }
  report((await Promise.all(ways)).slice(warmUpTerminals));
  await store.close();
} finally {
  await system?.stop();
  rmSync(folder, { recursive: true });
}

/** Connects a terminal and returns the times of its marks, in milliseconds from the first byte. */
async function load(serial, store) {
  const times = new Map();
  const counts = new Map();
  const note = (what, type) => {
    const count = (counts.get(`${what} ${type}`) ?? 0) + 1;
    counts.set(`${what} ${type}`, count);
    for (const mark of [`${what} ${type}`, `${what} ${type} ${count}`]) {
      if (!times.has(mark)) times.set(mark, performance.now());
    }
  };
  const begun = performance.now();
  let done;
  const finished = new Promise((resolve, reject) => {
    done = resolve;
    setTimeout(reject, timeoutMs, new Error(`${serial} was not loaded within ${timeoutMs} ms`)).unref();
  });
  const connection = new Connection({
    serial,
    kdh: system.terminalUrl,
    store,
    log: () => {},
    behaviour: {
      ...honest,
      arriving(type) {
        note('hear', type);
        return 'handle';
      },
      leaving(message) {
        note('send', message.t);
        return [message];
      },
    },
    onStored: () => isLoaded(store.records.get(serial)) && done(),
    onEnd: () => {},
    onFailure: (error) => {
      throw error;
    },
  });
  void connection.open();
  await finished;
  connection.close();
  return marks.map(({ mark }) => times.get(mark) - begun);
}

function report(ways) {
  const [model] = cpus();
  console.log(
    `\n${cpus().length} × ${model.model}, Node ${process.versions.node}; ${ways.length} terminals\n`,
  );
  console.log(`${'ms'.padEnd(74)}${'p50'.padStart(8)}${'p99'.padStart(8)}`);
  const row = (name, values) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.ceil(share * sorted.length) - 1].toFixed(1).padStart(8);
    console.log(`${name.padEnd(74)}${at(0.5)}${at(0.99)}`);
  };
  for (const [n, { step }] of marks.entries()) {
    row(
      step,
      ways.map((way) => way[n] - (way[n - 1] ?? 0)),
    );
  }
  row(
    'connect to confirmed',
    ways.map((way) => way.at(-1)),
  );
}
