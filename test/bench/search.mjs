// How fast an auditor's searches answer over a long history: `node test/bench/search.mjs [--transfers 10000000] [--runs 100]
// [--folder DIR]` after `npx tsc -b`. Each search goes through the server's own service: names looked up, planned, walked, and
// its page of 50 records read. `--folder` keeps the history for further runs. What counts is a history that lies in the memory,
// as that of a running server does; what the disk makes of it is printed beside. docs/performance.md says what it showed.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { EventsService } from '../../apps/kdh-server/dist/audit/events.service.js';
import { TransfersService } from '../../apps/kdh-server/dist/audit/transfers.service.js';
import { Database } from '../../apps/kdh-server/dist/database/database.js';
import { readyLine, startChild } from '../../apps/launcher/dist/child.js';
import { ensureDatabase, preparePostgres } from '../../apps/launcher/dist/embedded-postgres.js';
import { migrate } from './migration.mjs';
import {
  bdkId,
  campaignId,
  fleetStatements,
  historyStatements,
  kcvOf,
  ksnOf,
  runId,
  shape,
  terminalSerial,
} from './search/data.mjs';

/** What the searches are held to, at the 95th percentile. */
const LIMIT_MILLISECONDS = 25;
const PAGE = 50;
/** What docs/operating.md asks for, of a machine of 16 GB: enough for ten million transfers that are packed. */
const MEMORY = ['shared_buffers=4GB', 'effective_cache_size=12GB'];
/** Searches of each kind, before the history was read, whose times are told and do not count. */
const RUNS_AS_FOUND = 20;
/** Searches of other values before those that count. */
const WARM_UP_SECONDS = 20;

const { values: options } = parseArgs({
  options: {
    transfers: { type: 'string', default: '10000000' },
    runs: { type: 'string', default: '100' },
    folder: { type: 'string' },
  },
});
const transfers = Number(options.transfers);
const runs = Number(options.runs);
const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'openkdh-search-'));
mkdirSync(join(folder, 'logs'), { recursive: true });

const postgres = await preparePostgres(join(folder, 'postgres'), { durable: false });
const command = {
  ...postgres.command,
  args: [...postgres.command.args, ...MEMORY.flatMap((text) => ['-c', text])],
};
const child = startChild(command, join(folder, 'postgres.log'));
try {
  await readyLine(child, postgres.readyText, 60_000);
  await ensureDatabase(postgres, 'openkdh');
  const url = postgres.urlOf('openkdh');
  const applicationUrl = await migrate(folder, url);
  const filled = join(folder, `filled-${transfers}`);
  if (!existsSync(filled)) {
    await fill(url);
    writeFileSync(filled, '');
  }
  process.exitCode = (await measure(applicationUrl)) ? 0 : 1;
} finally {
  child.process.kill('SIGINT');
  await child.ended;
  if (options.folder === undefined) rmSync(folder, { recursive: true });
}

async function fill(url) {
  const clients = [0, 1].map(() => new pg.Client({ connectionString: url }));
  const [client] = clients;
  for (const one of clients) {
    one.on('error', () => {}); // ends with PostgreSQL when something else has failed
    await one.connect();
    await one.query(
      `set maintenance_work_mem = '1GB'; set synchronous_commit = off; set session_replication_role = replica`,
    );
  }
  /** Statements on both connections, each taking the next when it is done. */
  const together = async (texts) => {
    const left = [...texts];
    await Promise.all(
      clients.map(async (one) => {
        for (let text = left.shift(); text !== undefined; text = left.shift()) await one.query(text);
      }),
    );
  };
  /** A step that was done in a run before, and cut short later, is not done again. */
  const step = async (what, act) => {
    const done = join(folder, `${what.replaceAll(/\W+/g, '-')}-${transfers}`);
    if (existsSync(done)) return;
    const start = performance.now();
    await act();
    writeFileSync(done, '');
    console.log(`${((performance.now() - start) / 1000).toFixed(1).padStart(7)} s  ${what}`);
  };
  // Indexes are made after the rows: far less work than row by row.
  const kept = join(folder, 'indexes.json');
  await step('drop indexes', async () => {
    const { rows } = await client.query(
      `select indexname as name, indexdef as definition from pg_indexes
       where tablename in ('attempt', 'attempt_key', 'attempt_check_value', 'attempt_approval', 'audit_event')
         and not exists (select 1 from pg_constraint where conname = indexname)`,
    );
    writeFileSync(kept, JSON.stringify(rows));
    for (const { name } of rows) await client.query(`drop index ${name}`);
    // Dense, so that it fits into the memory of a small machine; rows that never move need no room.
    for (const table of ['attempt', 'attempt_key'])
      await client.query(`alter table ${table} set (fillfactor = 100)`);
  });
  await step('fleet', async () => {
    for (const text of fleetStatements()) await client.query(text);
  });
  const half = Math.floor(transfers / 2);
  const second = historyStatements(half, transfers, transfers);
  for (const [n, text] of historyStatements(0, half, transfers).entries())
    await step(/into (\w+)/.exec(text)[1], () => together([text, second[n]]));
  for (const { name, definition } of JSON.parse(readFileSync(kept, 'utf8')))
    await step(name, () => client.query(definition));
  await step('vacuum', () => client.query('vacuum (analyze)')); // as autovacuum does all the time
  for (const one of clients) await one.end();
}

/** Returns whether every search is fast enough. */
async function measure(url) {
  const database = await Database.open({ KDH_DATABASE_URL: url, KDH_DATABASE_CONNECTIONS: 4 });
  const transfersService = new TransfersService(database);
  const eventsService = new EventsService(database);
  const pick = (n) => Math.floor(Math.random() * n);
  const one = (list) => list[pick(list.length)];
  const time = (day) => new Date(shape.firstDay + day * 86_400_000).toISOString();
  /** Searches by name; each run asks for other values. `finds`: what a page of it must have at least, over all runs. */
  const searches = {
    'no filter': [() => ({}), PAGE],
    terminal: [() => ({ terminal: terminalSerial(pick(shape.terminals)) })],
    'serial prefix (10 terminals)': [
      () => ({ serialPrefix: terminalSerial(pick(shape.terminals)).slice(0, -1) }),
    ],
    'serial range (100 terminals)': [() => serialRange(100)],
    'serial range (50,000 terminals)': [() => serialRange(50_000)],
    KSN: [() => ({ ksn: ksnOf(pick(transfers)) })],
    KCV: [() => ({ kcv: kcvOf(pick(transfers)) })],
    BDK: [() => ({ bdkId: bdkId(pick(shape.bdks)) }), PAGE],
    'person who requested': [() => ({ person: `operator:person ${pick(shape.people)}` }), PAGE],
    'person who approved': [() => ({ person: `operator:approver ${pick(shape.people)}` }), PAGE],
    campaign: [() => ({ campaignId: campaignId(pick(shape.campaigns)) })],
    run: [() => ({ runId: runId(pick(shape.runs)) })],
    station: [() => ({ station: `bench ${pick(shape.stations)}` }), PAGE],
    'state, unsuccessful': [() => ({ state: one(['FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED']) })],
    'state, confirmed': [() => ({ state: 'CONFIRMED' }), PAGE],
    'state, under way': [() => ({ state: 'SENT' })],
    kind: [() => ({ kind: 'KEYS' }), PAGE],
    'a day': [() => day(1)],
    'BDK in a day': [() => ({ bdkId: bdkId(pick(shape.bdks)), ...day(1) })],
    'BDK, quarantined': [() => ({ bdkId: bdkId(pick(shape.bdks)), state: 'QUARANTINED' }), 0],
    'two people who never met': [
      () => ({ person: `operator:person ${pick(shape.people)}`, station: 'bench 1' }),
      0,
    ],
    'campaign, station, a month': [
      () => ({
        campaignId: campaignId(pick(shape.campaigns)),
        station: `bench ${pick(shape.stations)}`,
        ...day(30),
      }),
      0,
    ],
    'first keys: met long ago only': [() => ({ kind: 'KBPK', state: 'CONFIRMED' }), 0],
  };
  function serialRange(terminals) {
    const first = pick(shape.terminals - terminals);
    return { serialFrom: terminalSerial(first), serialTo: terminalSerial(first + terminals - 1) };
  }
  function day(days) {
    const first = pick(shape.days - days);
    return { from: time(first), to: time(first + days) };
  }
  const events = {
    'events: no filter': [() => ({}), PAGE],
    'events: terminal': [() => ({ terminal: terminalSerial(pick(shape.terminals)) }), 0],
    'events: type': [
      () => ({ type: one(['attempt.quarantined', 'attempt.failed', 'terminal.enrolled']) }),
      PAGE,
    ],
    'events: feature': [() => ({ type: 'terminal' }), PAGE],
    'events: usual type': [() => ({ type: 'attempt.confirmed' }), PAGE],
    'events: person': [() => ({ actor: `operator:person ${pick(shape.people)}` }), PAGE],
    'events: words': [() => ({ words: `batch ${pick(transfers / 100)}` })],
    'events: a day of a type': [() => ({ type: 'attempt.failed', ...day(1) })],
  };

  /** Milliseconds of one search with its page made JSON, and how many records that had. */
  const timed = async ([name, [filters]]) => {
    const service = name in events ? eventsService : transfersService;
    const asked = filters();
    const start = performance.now();
    const page = await service.search(asked, { limit: PAGE });
    JSON.stringify(page);
    return { milliseconds: performance.now() - start, records: (page.events ?? page.transfers).length };
  };
  const timedOften = async (search, count) => {
    const found = [];
    for (let run = 0; run < count; run++) found.push(await timed(search));
    const times = found.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
    return {
      p50: times[count >> 1],
      p95: times[Math.ceil(0.95 * count) - 1],
      most: times.at(-1),
      records: found.reduce((sum, { records }) => sum + records, 0),
    };
  };

  const all = Object.entries({ ...searches, ...events });
  const asFound = new Map();
  for (const search of all) asFound.set(search[0], (await timedOften(search, RUNS_AS_FOUND)).p95);
  const gigabytes = readIntoMemory() / 1e9;
  for (const start = performance.now(); performance.now() - start < WARM_UP_SECONDS * 1000; )
    for (const search of all) await timed(search);

  let fast = true;
  console.log(
    `\n${transfers.toLocaleString('en')} transfers, ${gigabytes.toFixed(1)} GB, ${runs} runs each, pages of ${PAGE}; ` +
      `${MEMORY.join(', ')}; load average ${loadavg()[0].toFixed(1)}`,
  );
  const line = (name, figures, end) =>
    console.log(`${name.padEnd(34)} ${figures.map((text) => text.padStart(8)).join(' ')}   ${end}`);
  line('search', ['p50 ms', 'p95 ms', 'most', 'records'], 'p95 as found');
  for (const search of all) {
    const [name, [, finds = 1]] = search;
    const { p50, p95, most, records } = await timedOften(search, runs);
    assert.ok(records >= finds * runs, `${name}: found ${records} records in ${runs} runs`);
    if (p95 >= LIMIT_MILLISECONDS) fast = false;
    const figures = [p50, p95, most].map((ms) => ms.toFixed(2));
    const verdict = p95 < LIMIT_MILLISECONDS ? '' : '  TOO SLOW';
    line(
      name,
      [...figures, (records / runs).toFixed(1)],
      `${asFound.get(name).toFixed(0).padStart(12)}${verdict}`,
    );
  }
  await database.onApplicationShutdown();
  console.log(`p95 of each below ${LIMIT_MILLISECONDS} ms: ${fast ? 'yes' : 'NO'}`);
  return fast;
}

/** Reads the files of the database, so that the operating system has them; returns their bytes. */
function readIntoMemory() {
  const buffer = Buffer.alloc(1 << 20);
  let bytes = 0;
  const files = readdirSync(join(postgres.dataFolder, 'base'), { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const descriptor = openSync(join(file.parentPath, file.name));
    for (let read = 1; read > 0; bytes += read) read = readSync(descriptor, buffer);
    closeSync(descriptor);
  }
  return bytes;
}
