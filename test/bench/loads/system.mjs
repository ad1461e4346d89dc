// OpenKDH as it runs: each part a process of its own, started as `npm start` does it.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openApi } from '../../../apps/launcher/dist/api.js';
import { readyLine, startChild } from '../../../apps/launcher/dist/child.js';
import { ensureDatabase, preparePostgres } from '../../../apps/launcher/dist/embedded-postgres.js';
import {
  fleetPart,
  hsmPart,
  hsmSocketOf,
  postgresPart,
  serverPart,
} from '../../../apps/launcher/dist/parts.js';
import { freePort } from '../../../apps/launcher/dist/ports.js';
import {
  makeLinkCertificates,
  makePassphrase,
  provisionKeys,
} from '../../../apps/launcher/dist/provision.js';
import { migrate } from '../migration.mjs';
import { writeIdentities } from './identities.mjs';
import { serialsOf } from './terminals.mjs';

const readyTimeoutMs = 60_000;
const loadTimeoutMs = 300_000;
const firstLoadPollMs = 500;
const firstLoadTimeoutMs = (terminals) => loadTimeoutMs + terminals * 100;
const pollMs = 20;
/** POST /api/v1/loads/batch takes so many terminals. */
const loadsPerRequest = 1000;

/**
 * Starts all parts but the terminals, with their state in `folder`, be it new or kept from an earlier run. `redisUrl`: the queue is there in place of PostgreSQL.
 * `profileFolder`: each program of ours leaves a CPU profile there. `serverEnvironment`: more of kdh-server's settings.
 */
export async function startSystem(folder, { redisUrl, profileFolder, serverEnvironment = {} }) {
  mkdirSync(join(folder, 'logs'), { recursive: true });
  makePassphrase(folder);
  await makeLinkCertificates(folder);

  const parts = new Map();
  const running = new Map();
  const pids = {};
  const startPart = async (name) => {
    const part = parts.get(name);
    const child = startChild(profiled(part.command, profileFolder), join(folder, 'logs', `${part.name}.log`));
    running.set(name, { part, child });
    await readyLine(child, part.readyText, readyTimeoutMs);
    pids[name] = child.process.pid;
  };
  const stopPart = async (name, signal) => {
    const { part, child } = running.get(name);
    running.delete(name);
    child.process.kill(signal ?? part.signals.stop);
    await child.ended;
  };
  const startNew = (name, part) => {
    parts.set(name, part);
    return startPart(name);
  };
  let database;
  const stop = async () => {
    await database?.end();
    for (const name of [...running.keys()].reverse()) await stopPart(name);
  };
  try {
    const postgres = await preparePostgres(join(folder, 'postgres')); // fsync on, synchronous_commit on
    await startNew('PostgreSQL', postgresPart(postgres));
    for (const database of ['openkdh', 'bound']) await ensureDatabase(postgres, database);
    const databaseUrl = postgres.urlOf('openkdh');
    const applicationUrl = await migrate(folder, databaseUrl);
    await startNew('soft-hsm', hsmPart(folder));
    const hsmSocket = hsmSocketOf(folder);
    const ports = { port: await freePort(0), terminalPort: await freePort(0) };
    const settings = { databaseUrl: applicationUrl, redisUrl, hsmUrl: `unix:${hsmSocket}`, ...ports };
    await startNew('kdh-server', serverPart(folder, settings, serverEnvironment));

    const tokenFile = join(folder, 'kdh-server', 'operator-token');
    const api = openApi(`http://127.0.0.1:${ports.port}`, readFileSync(tokenFile, 'utf8').trim());
    const profileId = await provisionKeys(api);
    database = new pg.Client({ connectionString: databaseUrl });
    await database.connect();
    return {
      pids,
      hsmSocket,
      databaseUrl,
      database,
      boundDatabaseUrl: postgres.urlOf('bound'),
      terminalUrl: `wss://127.0.0.1:${ports.terminalPort}/kdh`,
      enrolment: { api: `http://127.0.0.1:${ports.port}`, tokenFile, profileId },
      /** Starts a fleet and waits until every terminal of it holds its first keys; `onProgress` hears how many do. */
      startFleet: async (terminals, onProgress = () => {}) => {
        await writeIdentities(join(folder, 'terminals'), serialsOf(terminals));
        await startNew('terminal-sim', fleetPart(folder, { terminals, ...ports, tokenFile, profileId }));
        const allLoaded = async () => {
          const { enrolled, loaded } = await fleetProgress(database);
          onProgress({ enrolled, loaded });
          return loaded === terminals;
        };
        await waitUntil(allLoaded, firstLoadTimeoutMs(terminals), firstLoadPollMs);
      },
      startPart,
      stopPart,
      round: () => loadEveryTerminal(api, database),
      settled: () => waitUntil(() => everythingSealed(database)),
      deliveries: () => lastDeliveries(database),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A further load for every terminal: seconds from the first request to the last confirmation. */
async function loadEveryTerminal(api, database) {
  const { rows } = await database.query('select id from terminal order by serial');
  const loads = [];
  const start = performance.now();
  for (let at = 0; at < rows.length; at += loadsPerRequest) {
    const terminalIds = rows.slice(at, at + loadsPerRequest).map(({ id }) => id);
    loads.push(...(await api.post('/loads/batch', { terminalIds, reason: 'benchmark' })));
  }
  await waitUntil(async () => {
    const open = await database.query({
      name: 'open',
      text: 'select 1 from attempt where outcome is null limit 1',
    });
    return open.rowCount === 0;
  });
  const seconds = (performance.now() - start) / 1000;
  const confirmed = await database.query(
    `select 1 from attempt where load_id = any($1) and state = 'CONFIRMED'`,
    [loads.map(({ id }) => id)],
  );
  assert.equal(confirmed.rowCount, rows.length, 'every terminal has confirmed its load');
  return seconds;
}

/** Whether every audit event is in a signed checkpoint. */
async function everythingSealed(database) {
  const { rows } = await database.query({
    name: 'sealed',
    text: `select not exists (select 1 from audit_unsealed)
       and (select size from log_head) = (select max(size) from log_checkpoint) as sealed`,
  });
  return rows[0].sealed;
}

/** How many terminals are enrolled, and how many have their first keys: whoever has them was asked for them once. */
async function fleetProgress(database) {
  const { rows } = await database.query(
    `select (select count(*)::int from terminal) as enrolled,
       (select count(distinct terminal_id)::int from attempt where kind = 'KEYS' and state = 'CONFIRMED') as loaded`,
  );
  return rows[0];
}

/** KSN and confirmed check value of each slot in the last load of each terminal: `{serial: {slot: {ksn, kcv}}}`. */
async function lastDeliveries(database) {
  const { rows } = await database.query(
    `select t.serial, k.slot, k.ksn, k.kcv_expected as expected, k.kcv_reported as reported
     from attempt a join terminal t on t.id = a.terminal_id join attempt_key k on k.attempt_id = a.id
     where a.state = 'CONFIRMED' and k.ksn is not null and a.number = t.attempts_made`,
  );
  const deliveries = {};
  for (const { serial, slot, ksn, expected, reported } of rows) {
    assert.equal(reported, expected, `${serial} ${slot}: the KCV that the terminal confirmed`);
    deliveries[serial] = { ...deliveries[serial], [slot]: { ksn, kcv: reported } };
  }
  return deliveries;
}

export async function waitUntil(condition, timeoutMs = loadTimeoutMs, everyMs = pollMs) {
  for (const deadline = Date.now() + timeoutMs; !(await condition()); await sleep(everyMs)) {
    if (Date.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${condition}`);
  }
}

function profiled(command, folder) {
  if (folder === undefined || command.file !== process.execPath) return command;
  return { ...command, args: ['--cpu-prof', `--cpu-prof-dir=${folder}`, ...command.args] };
}
