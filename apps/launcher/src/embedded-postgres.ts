import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Command } from './child.ts';
import { LauncherError } from './errors.ts';
import { freePort } from './ports.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';
import { commandOf, gone, runs } from './processes.ts';

/** A PostgreSQL that is ready to be started. */
export interface EmbeddedPostgres {
  command: Command;
  /** It accepts connections once this stands in its output. */
  readyText: string;
  dataFolder: string;
  /** A watcher that ends the server when whoever holds its standard input is gone, be it by kill -9. */
  guard: Command;
  /** Connects its superuser to `database`; the password is in it. */
  urlOf(database: string): string;
}

const user = 'openkdh';
const guardScript = fileURLToPath(new URL('../postgres-guard.sh', import.meta.url)); // the same from src and dist

/**
 * Makes `home` (mode 0700) hold a data folder, a password (0600) and a port, the same ones at each start, and ends
 * a server that an earlier launcher left behind. Only tests that may lose their data pass `durable: false`: then it
 * runs without fsync, and with the setting by which kdh-server knows a test cluster.
 */
export async function preparePostgres(
  home: string,
  { durable } = { durable: true },
): Promise<EmbeddedPostgres> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const binaries = postgresBinaries(home);
  const dataFolder = join(home, 'data');
  const passwordFile = join(home, 'password');
  if (!existsSync(dataFolder)) initialise(binaries, dataFolder, passwordFile, durable);
  await endLeftBehind(dataFolder);

  const portFile = join(home, 'port');
  const port = await freePort(existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : 0);
  writeFileSync(portFile, String(port));
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    synchronous_commit: 'on',
    ...(durable ? { fsync: 'on' } : { fsync: 'off', 'openkdh.test': 'on' }),
    autovacuum_naptime: '5s', // the queue's tables are slow until they have statistics
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
  const password = readFileSync(passwordFile, 'utf8');
  return {
    command: binaries.command('postgres', [
      '-D',
      dataFolder,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]),
    readyText: 'database system is ready to accept connections',
    dataFolder,
    guard: { file: '/bin/sh', args: [guardScript, dataFolder], env: { PATH: process.env['PATH'] } },
    urlOf: (database) => `postgres://${user}:${password}@127.0.0.1:${port}/${database}`,
  };
}

/** Makes the data folder under another name first, so that a half-made one is never taken for one. */
function initialise(
  binaries: PostgresBinaries,
  dataFolder: string,
  passwordFile: string,
  durable: boolean,
): void {
  const half = `${dataFolder}.new`;
  rmSync(half, { recursive: true, force: true });
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  binaries.give(passwordFile);
  const { file, args, ...options } = binaries.command('initdb', [
    ...['-D', half, '-U', user, '--pwfile', passwordFile, '--auth=scram-sha-256'],
    ...['--encoding=UTF8', '--locale=C', ...(durable ? [] : ['--no-sync'])],
  ]);
  const made = spawnSync(file, args, { ...options, encoding: 'utf8' });
  if (made.status !== 0) {
    const reason = made.error?.message ?? made.stderr.trim().split('\n').join(' ');
    throw new LauncherError('POSTGRES_FAILED', `initdb could not make ${dataFolder}: ${reason}`);
  }
  renameSync(half, dataFolder);
}

/** Ends the server that `postmaster.pid` names, if it is one of this data folder; forgets a number that is not. */
async function endLeftBehind(dataFolder: string): Promise<void> {
  const pidFile = join(dataFolder, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  if (!runs(pid, dataFolder)) {
    // PostgreSQL clears up after a dead server by itself, but not when the number is now another process's
    if (commandOf(pid) !== '') rmSync(pidFile);
    return;
  }
  if (!(await stopPostgres(dataFolder))) {
    throw new LauncherError('POSTGRES_FAILED', `PostgreSQL of an earlier run (process ${pid}) does not end`);
  }
}

/** Stops the server of `dataFolder`, fast, and after 20 s at once; false when it still runs 5 s later. */
export async function stopPostgres(dataFolder: string): Promise<boolean> {
  const pidFile = join(dataFolder, 'postmaster.pid');
  if (!existsSync(pidFile)) return true;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  for (const [signal, timeoutMs] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
  ] as const) {
    if (!runs(pid, dataFolder)) return true;
    process.kill(pid, signal);
    if (await gone(pid, dataFolder, timeoutMs)) return true;
  }
  return false;
}

/** Makes `database` in the running server, unless it is there. */
export async function ensureDatabase(postgres: EmbeddedPostgres, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.urlOf('postgres') });
  client.on('error', () => {}); // the server was stopped meanwhile: what is asked of it then fails, and says so
  await client.connect();
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}
