import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readyLine, startChild } from './child.ts';
import { LauncherError } from './errors.ts';
import { migrationCommand } from './parts.ts';

const timeoutMs = 120_000;

/**
 * Brings the database of `ownerUrl` up to date by `kdh-server migrate`, which also makes the role that kdh-server runs as.
 * Returns the URL that this role connects by. Its password is made once and kept in `state`. PART_FAILED says why not.
 */
export async function migrateDatabase(state: string, ownerUrl: string): Promise<string> {
  const applicationUrl = applicationUrlOf(state, ownerUrl);
  const command = migrationCommand(state, ownerUrl, applicationUrl);
  const child = startChild(command, join(state, 'logs', 'migrate.log'));
  try {
    await readyLine(child, '"event":"database.migrated"', timeoutMs);
    await child.ended;
    return applicationUrl;
  } catch (cause) {
    const message = `the database was not brought up to date: ${(cause as Error).message}`;
    throw new LauncherError('PART_FAILED', message, { cause });
  }
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
