import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LauncherError } from './errors.ts';
import { migrationTask } from './parts.ts';
import type { Progress } from './progress.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * Brings the database of `ownerUrl` up to date by `kdh-server migrate`, which also makes the role that kdh-server runs as.
 * Returns the URL that this role connects by. Its password is made once and kept in `state`. PART_FAILED says why not.
 */
export async function migrateDatabase(
  state: string,
  ownerUrl: string,
  supervisor: Supervisor,
  progress: Progress,
): Promise<string> {
  const applicationUrl = applicationUrlOf(state, ownerUrl);
  progress.show('bringing the database up to date ...');
  try {
    await supervisor.run(migrationTask(state, ownerUrl, applicationUrl), (line) => {
      const { doing, seconds } = migrationProgress(line, Date.now());
      progress.show(doing, seconds);
    });
    return applicationUrl;
  } catch (cause) {
    const message = `the database was not brought up to date: ${(cause as Error).message}`;
    throw new LauncherError('PART_FAILED', message, { cause });
  }
}

/** For people, from a line of `kdh-server migrate`: which migration goes on, and since when. `nowMs` in Unix time. */
export function migrationProgress(line: string, nowMs: number): { doing: string; seconds: number } {
  const { time, migration, number, pending } = JSON.parse(line) as {
    time: string;
    migration: string;
    number: number;
    pending: number;
  };
  const name = migration.replace(/\d+$/, ''); // its timestamp
  return {
    doing: `bringing the database up to date: ${name}, ${number} of ${pending}`,
    seconds: Math.max(0, nowMs - Date.parse(time)) / 1_000,
  };
}

/** A role for each database, so that two databases on one server do not share a password. */
function applicationUrlOf(state: string, ownerUrl: string): string {
  const file = join(state, 'database-password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  const url = new URL(ownerUrl);
  url.username = `${url.pathname.slice(1)}_app`;
  url.password = readFileSync(file, 'utf8');
  return url.href;
}
