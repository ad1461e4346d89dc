import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { privileges } from '../../apps/kdh-server/src/database/application-role.ts';
import { migrations } from '../../apps/kdh-server/src/database/data-source.ts';
import { type MigrationProgress, migrate } from '../../apps/kdh-server/src/database/migrate.ts';
import { readyLine, startChild } from '../../apps/launcher/src/child.ts';
import { preparePostgres } from '../../apps/launcher/src/embedded-postgres.ts';

/** A database of one test file's own. */
export interface TestDatabase {
  /** Of the owner, a superuser: tests look and attack as it. */
  url: string;
  /** Ends every connection to it and removes it. */
  drop(): Promise<void>;
}

/** A migrated database: a copy of the template that the first file of a run makes; some 30 ms. */
export async function freshDatabase(): Promise<TestDatabase> {
  return createDatabase(await template());
}

/** A database with nothing in it, for what tests the migrations themselves. */
export async function emptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template1');
}

async function createDatabase(from: string): Promise<TestDatabase> {
  const name = `openkdh_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await asAdmin((client) => client.query(`create database ${name} template ${from}`));
  return {
    url: urlOf(await serverUrl(), name),
    drop: async () => {
      await asAdmin((client) => client.query(`drop database if exists ${name} with (force)`));
    },
  };
}

/** Brings a database up to date, as kdh-server's own command does. */
export function migrateTestDatabase(
  url: string,
  report: (progress: MigrationProgress) => void = () => {},
  stopped = new AbortController().signal,
): Promise<string[]> {
  const config = {
    KDH_MIGRATION_DATABASE_URL: url,
    KDH_DATABASE_URL: applicationUrlOf(url),
    KDH_NODE_ID: 'migration',
  };
  return migrate(config, report, stopped);
}

/** As which role kdh-server connects: one for all databases of a run, so that copies of the template know it. */
export function applicationUrlOf(url: string): string {
  const application = new URL(url);
  application.username = 'openkdh_test_app';
  application.password = 'openkdh_test_app';
  return application.href;
}

/** The name holds a hash of what made it, so it renews itself; nobody may stay connected to it. */
async function template(): Promise<string> {
  const bullmq = createRequire(import.meta.url)('bullmq/package.json') as { version: string };
  const source = [...migrations, JSON.stringify(privileges), migrate, bullmq.version].map(String).join('\n');
  const name = `openkdh_template_${createHash('sha256').update(source).digest('hex').slice(0, 12)}`;
  await asAdmin(async (client) => {
    await client.query('select pg_advisory_lock($1)', [4_711_002]); // any constant; ends with the connection
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount !== 0) return;
    await client.query(`drop database if exists ${name}_new with (force)`); // left by a failed run
    await client.query(`create database ${name}_new`);
    await migrateTestDatabase(urlOf(await serverUrl(), `${name}_new`));
    await client.query(`alter database ${name}_new rename to ${name}`);
  });
  return name;
}

async function asAdmin<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: await serverUrl() });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function urlOf(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}

/**
 * OPENKDH_TEST_DATABASE_URL (of a role that may make databases), or the embedded PostgreSQL that all files of this
 * run share. It runs without fsync: where durability is tested, a test starts a PostgreSQL of its own.
 */
async function serverUrl(): Promise<string> {
  const given = process.env['OPENKDH_TEST_DATABASE_URL'];
  if (given) return given;
  const folder = process.env['OPENKDH_TEST_FOLDER'];
  if (!folder) throw new Error('OPENKDH_TEST_FOLDER is not set: globalSetup of jest.config.js did not run');
  const urlFile = join(folder, 'postgres.url');
  if (existsSync(urlFile)) return readFileSync(urlFile, 'utf8');

  if (!claim(join(folder, 'postgres.lock'))) {
    for (const deadline = Date.now() + 60_000; !existsSync(urlFile); await sleep(50)) {
      if (Date.now() > deadline) throw new Error('another test file was to start PostgreSQL, and did not');
    }
    return readFileSync(urlFile, 'utf8');
  }
  const postgres = await preparePostgres(join(folder, 'postgres'), { durable: false });
  const child = startChild(postgres.command, join(folder, 'postgres.log'));
  await readyLine(child, postgres.readyText, 60_000);
  child.process.unref(); // it outlives this worker, until globalTeardown
  (child.process.stdin as Socket).unref();
  writeFileSync(`${urlFile}.new`, postgres.urlOf('postgres'), { mode: 0o600 });
  renameSync(`${urlFile}.new`, urlFile);
  return postgres.urlOf('postgres');
}

/** True for the one process that makes `file`. */
function claim(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx'));
    return true;
  } catch {
    return false;
  }
}
