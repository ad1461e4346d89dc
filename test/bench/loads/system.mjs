// OpenKDH as it runs: each part a process of its own, started as `npm start` does it.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
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
import { identityFolder } from './terminals.mjs';

const readyTimeoutMs = 60_000;
const loadTimeoutMs = 300_000;
const pollMs = 20;
/** POST /api/v1/loads/batch takes so many terminals. */
const loadsPerRequest = 1000;

/**
 * Starts all parts with their state in `folder`, and waits until every terminal holds its first keys. `redisUrl`: the
 * queue is there in place of PostgreSQL. `profileFolder`: each program of ours leaves a CPU profile there.
 */
export async function startSystem(folder, { terminals, redisUrl, profileFolder }) {
  mkdirSync(join(folder, 'logs'));
  mkdirSync(join(folder, 'terminals'), { mode: 0o700 });
  cpSync(join(identityFolder, 'journal'), join(folder, 'terminals', 'journal'));
  makePassphrase(folder);
  await makeLinkCertificates(folder);

  const running = [];
  const start = async (part) => {
    const child = startChild(profiled(part.command, profileFolder), join(folder, 'logs', `${part.name}.log`));
    running.unshift({ part, child });
    await readyLine(child, part.readyText, readyTimeoutMs);
    return child.process.pid;
  };
  let database;
  const stop = async () => {
    await database?.end();
    for (const { part, child } of running) {
      child.process.kill(part.signals.stop);
      await child.ended;
    }
  };
  try {
    const postgres = await preparePostgres(join(folder, 'postgres')); // fsync on, synchronous_commit on
    const pids = { PostgreSQL: await start(postgresPart(postgres)) };
    for (const database of ['openkdh', 'bound']) await ensureDatabase(postgres, database);
    const databaseUrl = postgres.urlOf('openkdh');
    pids['soft-hsm'] = await start(hsmPart(folder));
    const hsmSocket = hsmSocketOf(folder);
    const ports = { port: await freePort(0), terminalPort: await freePort(0) };
    const settings = { databaseUrl, redisUrl, hsmUrl: `unix:${hsmSocket}`, ...ports };
    pids['kdh-server'] = await start(serverPart(folder, settings, {}));

    const tokenFile = join(folder, 'kdh-server', 'operator-token');
    const api = openApi(`http://127.0.0.1:${ports.port}`, readFileSync(tokenFile, 'utf8').trim());
    const profileId = await provisionKeys(api);
    pids['terminal-sim'] = await start(fleetPart(folder, { terminals, ...ports, tokenFile, profileId }));
    database = new pg.Client({ connectionString: databaseUrl });
    await database.connect();
    await waitUntil(async () => (await firstLoads(database)) === terminals);
    return {
      pids,
      hsmSocket,
      databaseUrl,
      boundDatabaseUrl: postgres.urlOf('bound'),
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
    const open = await database.query('select 1 from attempt where outcome is null limit 1');
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
  const { rows } = await database.query(
    `select not exists (select 1 from audit_unsealed)
       and (select size from log_head) = (select max(size) from log_checkpoint) as sealed`,
  );
  return rows[0].sealed;
}

async function firstLoads(database) {
  const { rows } = await database.query(
    `select count(*)::int as loads from attempt where kind = 'KEYS' and state = 'CONFIRMED'`,
  );
  return rows[0].loads;
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

async function waitUntil(condition) {
  for (const deadline = Date.now() + loadTimeoutMs; !(await condition()); await sleep(pollMs)) {
    if (Date.now() > deadline) throw new Error(`not every load was confirmed within ${loadTimeoutMs} ms`);
  }
}

function profiled(command, folder) {
  if (folder === undefined || command.file !== process.execPath) return command;
  return { ...command, args: ['--cpu-prof', `--cpu-prof-dir=${folder}`, ...command.args] };
}
