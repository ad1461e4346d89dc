import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Child, readyLine, startChild } from './child.ts';
import { type EmbeddedPostgres, ensureDatabase, preparePostgres, stopPostgres } from './embedded-postgres.ts';
import { gone, runs } from './processes.ts';

let folder: string; // 0700: also root’s PostgreSQL must work below a closed folder
let home: string;
let postgres: EmbeddedPostgres;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'openkdh-postgres-'));
  home = join(folder, 'postgres');
  postgres = await preparePostgres(home); // the durable kind: initdb with its fsync
});

afterEach(async () => {
  expect(await stopPostgres(postgres.dataFolder)).toBe(true);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function start(): Promise<Child> {
  postgres = await preparePostgres(home);
  const child = startChild(postgres.command, join(folder, 'log'));
  await readyLine(child, postgres.readyText, 20_000);
  return child;
}

async function query<Row extends pg.QueryResultRow>(
  text: string,
  url = postgres.urlOf('postgres'),
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

test('it keeps what it was told to keep, listens on loopback only, and has no socket file', async () => {
  await start();
  const settings = await query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name in
     ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'unix_socket_directories') order by name`,
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    full_page_writes: 'on',
    listen_addresses: '127.0.0.1',
    synchronous_commit: 'on',
    unix_socket_directories: '',
  });
});

test('only the password of its 0600 file opens it', async () => {
  await start();
  expect(statSync(join(home, 'password')).mode & 0o777).toBe(0o600);
  const wrong = postgres.urlOf('postgres').replace(readFileSync(join(home, 'password'), 'utf8'), 'wrong');
  await expect(query('select 1', wrong)).rejects.toMatchObject({ code: '28P01' });
});

test('a second start finds the data, the password and the port', async () => {
  await start();
  await ensureDatabase(postgres, 'kept');
  await ensureDatabase(postgres, 'kept'); // it is there
  await query('create table t as select 42 as answer', postgres.urlOf('kept'));
  const url = postgres.urlOf('kept');
  await stopPostgres(postgres.dataFolder);
  await start();
  expect(postgres.urlOf('kept')).toBe(url);
  expect(await query('select answer from t', url)).toEqual([{ answer: 42 }]);
});

test('a server that was left behind is ended by the next preparation', async () => {
  const left = await start();
  await start();
  expect(await left.ended).toBe('exit code 0');
});

test('a killed server is recovered by the next start', async () => {
  const killed = await start();
  killed.process.kill('SIGKILL');
  await killed.ended;
  await start();
  expect(await query('select 1 as one')).toEqual([{ one: 1 }]);
});

test('a pid file that names another program’s process is no obstacle, and that process is left alone', async () => {
  const other = spawn('sleep', ['60'], { stdio: 'ignore' });
  writeFileSync(join(postgres.dataFolder, 'postmaster.pid'), `${other.pid}\n`);
  try {
    await start();
    expect(await query('select 1 as one')).toEqual([{ one: 1 }]);
    expect(other.exitCode ?? other.signalCode).toBeNull();
  } finally {
    other.kill();
  }
});

test('the guard ends the server when its standard input closes', async () => {
  const child = await start();
  const guard = startChild(postgres.guard, join(folder, 'log'));
  expect(runs(child.process.pid!, postgres.dataFolder)).toBe(true);
  guard.process.stdin!.end(); // what happens when the launcher is killed
  expect(await gone(child.process.pid!, postgres.dataFolder, 10_000)).toBe(true);
  expect(await child.ended).toBe('exit code 0');
  expect(await guard.ended).toBe('exit code 0');
});
