import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, openApi } from './api.ts';
import { ensureDatabase, preparePostgres } from './embedded-postgres.ts';
import { LauncherError } from './errors.ts';
import type { Flags } from './flags.ts';
import { migrateDatabase } from './migration.ts';
import { fleetPart, hsmPart, hsmSocketOf, postgresPart, serverPart } from './parts.ts';
import { requirePort } from './ports.ts';
import type { Progress } from './progress.ts';
import { makeLinkCertificates, makePassphrase, provisionKeys } from './provision.ts';
import type { Addresses } from './report.ts';
import type { Supervisor } from './supervisor.ts';

/** A running system that has its keys and waits for terminals. */
export interface System {
  api: Api;
  addresses: Addresses;
  /** Starts the simulated terminals, which enrol and connect by themselves. */
  startFleet(): Promise<void>;
}

/**
 * Starts the parts in their order, but for those that `environment` names (DATABASE_URL, REDIS_URL, HSM_URL), and
 * makes the BDKs and the profile of the fleet.
 */
export async function startSystem(
  state: string,
  flags: Flags,
  environment: NodeJS.ProcessEnv,
  supervisor: Supervisor,
  progress: Progress,
): Promise<System> {
  const port = await requirePort(flags.port, '--port');
  const terminalPort = await requirePort(flags.terminalPort, '--terminal-port');

  const ownerUrl = environment['DATABASE_URL'] || (await startPostgres(state, supervisor, progress));
  const givenHsm = environment['HSM_URL'];
  const hsm = givenHsm ? { url: givenHsm } : await startHsm(state, supervisor, progress);
  const redisUrl = environment['REDIS_URL'] || undefined;
  const databaseUrl = await migrateDatabase(state, ownerUrl, supervisor, progress);
  progress.show('starting kdh-server ...');
  const settings = { databaseUrl, redisUrl, hsmUrl: hsm.url, port, terminalPort };
  await supervisor.start(serverPart(state, settings, environment));

  const httpUrl = `http://127.0.0.1:${port}`;
  const tokenFile = join(state, 'kdh-server', 'operator-token');
  const api = openApi(httpUrl, readToken(tokenFile));
  const profileId = await provisionKeys(api);
  const fleet = { terminals: flags.terminals, port, terminalPort, tokenFile, profileId };
  return {
    api,
    addresses: {
      'REST API': `${httpUrl}/api/docs`,
      'operator token': tokenFile,
      terminals: `wss://127.0.0.1:${terminalPort}/kdh`,
      HSM: hsm.url,
      ...('tls' in hsm
        ? { 'HSM over TLS': `${hsm.tls}, with the client certificate in ${join(state, 'hsm-link')}` }
        : {}),
      PostgreSQL: withoutPassword(ownerUrl),
      ...(redisUrl ? { Redis: withoutPassword(redisUrl) } : {}),
      logs: join(state, 'logs'),
    },
    startFleet: async () => {
      await supervisor.start(fleetPart(state, fleet));
    },
  };
}

/** Returns the URL by which the owner of the database connects. */
async function startPostgres(state: string, supervisor: Supervisor, progress: Progress): Promise<string> {
  progress.show('starting PostgreSQL ...');
  const postgres = await preparePostgres(join(state, 'postgres'));
  await supervisor.start(postgresPart(postgres));
  await ensureDatabase(postgres, 'openkdh');
  return postgres.urlOf('openkdh');
}

/** Returns the URL that kdh-server reaches it by, and the address of its TLS listener. */
async function startHsm(
  state: string,
  supervisor: Supervisor,
  progress: Progress,
): Promise<{ url: string; tls: string }> {
  progress.show('starting the soft HSM ...');
  makePassphrase(state);
  await makeLinkCertificates(state);
  const ready = JSON.parse(await supervisor.start(hsmPart(state))) as { tls: string };
  return { url: `unix:${hsmSocketOf(state)}`, tls: `tls://${ready.tls}` };
}

/** kdh-server writes it when it makes its first operator, in an empty database. */
function readToken(file: string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const message = `the database has an operator already, whose token is not in ${file}; put it there, or name an empty database`;
  throw new LauncherError('TOKEN_MISSING', message);
}

function withoutPassword(address: string): string {
  const url = new URL(address);
  if (url.password !== '') url.password = '…';
  return decodeURI(url.href);
}
