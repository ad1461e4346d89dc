import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startChild } from './child.ts';
import { LauncherError } from './errors.ts';
import { migrationCommand } from './parts.ts';

/**
 * Brings the database of `ownerUrl` up to date by `kdh-server migrate`, which also makes the role that kdh-server runs as.
 * Returns the URL that this role connects by. Its password is made once and kept in `state`; MIGRATION_FAILED.
 */
export async function migrateDatabase(state: string, ownerUrl: string): Promise<string> {
  const applicationUrl = applicationUrlOf(state, ownerUrl);
  const child = startChild(
    migrationCommand(state, ownerUrl, applicationUrl),
    join(state, 'logs', 'migrate.log'),
  );
  const ending = await child.ended;
  if (ending === 'exit code 0') return applicationUrl;
  const said = readFileSync(child.logFile, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  throw new LauncherError(
    'MIGRATION_FAILED',
    `the database was not brought up to date (${ending}): ${said} (log: ${child.logFile})`,
  );
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
