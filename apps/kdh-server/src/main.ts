import 'reflect-metadata';
import type { Socket } from 'node:net';
import { parseArgs } from 'node:util';
import type { Hsm } from '@openkdh/hsm-client';
import { z } from 'zod';
import { createApp } from './app.ts';
import { pruneArchived } from './audit/archive/prune-archived.ts';
import { loadConfig, loadMigrationConfig, loadPruneConfig } from './config/config.ts';
import { Database } from './database/database.ts';
import { type MigrationProgress, migrate } from './database/migrate.ts';
import { readFailpoints } from './failpoints.ts';
import { HSM, openHsm } from './hsm/hsm.ts';
import { reasonSchema } from './http/parameters.ts';
import { acceptRestore } from './keys/accept-restore.ts';
import { JsonLog } from './log.ts';
import { TerminalListener } from './sessions/terminal-listener.ts';

const log = new JsonLog();

/** Ends this process when the one that started it is gone, so that nothing stays behind a killed launcher. */
function watchParent(): void {
  if (process.env['OPENKDH_PARENT_WATCH'] !== '1') return;
  (process.stdin as Socket).unref().resume(); // by itself it keeps nothing running
  process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
}

async function serve(): Promise<void> {
  const config = loadConfig(process.env);
  watchParent();
  const app = await createApp(config, log);
  if (config.KDH_FAILPOINTS) {
    const arm = readFailpoints(config.KDH_FAILPOINTS, (await app.get<Hsm>(HSM).diagnostics()).lmkCheckValue);
    process.on('SIGUSR2', () => {
      arm();
      log.warn({ event: 'failpoints.armed', msg: config.KDH_FAILPOINTS }, 'Main');
    });
  }
  await app.listen(config.KDH_HTTP_PORT, config.KDH_HTTP_HOST);
  log.log(
    {
      event: 'ready',
      node: config.KDH_NODE_ID,
      http: await app.getUrl(),
      ...(config.KDH_ROLES.includes('gateway') && {
        terminals: `wss://${config.KDH_TERMINAL_HOST}:${app.get(TerminalListener).port}/kdh`,
      }),
    },
    'Main',
  );
}

async function main(command: string | undefined, options: string[]): Promise<void> {
  if (command === 'migrate') return migrateDatabase();
  if (command === 'accept-restore') return acceptRestored(options);
  if (command === 'prune-archived') return prune(options);
  if (command !== undefined) {
    throw new Error(`unknown command ${command}: expected none, migrate, accept-restore or prune-archived`);
  }
  await serve();
}

/** `migrate`: see docs/operating.md, "The database". A signal to end stops it, and nothing is changed then. */
async function migrateDatabase(): Promise<void> {
  const config = loadMigrationConfig(process.env);
  watchParent();
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const report = (progress: MigrationProgress) =>
    log.log({ event: 'database.migrating', ...progress }, 'Main');
  const applied = await migrate(config, report, stop.signal);
  log.log({ event: 'database.migrated', migrations: applied }, 'Main');
}

/** `accept-restore --reason TEXT [--burn NUMBER]`: see docs/operating.md, "A restored database". */
async function acceptRestored(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { reason: { type: 'string' }, burn: { type: 'string' } } });
  const { reason } = reasonSchema.parse({ reason: values.reason });
  const burn = values.burn === undefined ? undefined : z.coerce.bigint().nonnegative().parse(values.burn);
  const config = loadConfig(process.env);
  const database = await Database.open(config);
  const hsm = await openHsm(config);
  try {
    const burned = await acceptRestore(config, database, hsm, { reason, burn });
    for (const { bdk, first, last } of burned)
      log.log({ event: 'bdk.ksns-burned', bdk, first, last }, 'Main');
    log.log({ event: 'database.restore-accepted', reason }, 'Main');
  } finally {
    await hsm.close();
    await database.onApplicationShutdown();
  }
}

/** `prune-archived --keep-days NUMBER`: see docs/operating.md, "The archive of the log". */
async function prune(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { 'keep-days': { type: 'string' } } });
  const keepDays = z.coerce.number().int().min(0).max(36_500).parse(values['keep-days']);
  const pruned = await pruneArchived(loadPruneConfig(process.env), keepDays);
  log.log({ event: 'log.pruned', first: pruned[0]?.first ?? null, end: pruned.at(-1)?.end ?? null }, 'Main');
}

main(process.argv[2], process.argv.slice(3)).catch((error: Error & { code?: string }) => {
  log.fatal({ event: 'start.failed', code: error.code, msg: error.message }, 'Main');
  process.exit(1);
});
