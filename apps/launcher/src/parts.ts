import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EmbeddedPostgres } from './embedded-postgres.ts';
import { LauncherError } from './errors.ts';
import type { Part, Program, Task } from './supervisor.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url)); // the same from src and dist

/** What fits into the address of a unix socket everywhere, in bytes: macOS has 104 with the NUL, Linux 108. */
const longestSocketPath = 103;

/**
 * MiB of a half of V8's young generation; its default is 16. A load's objects live until its commit, and each collection
 * copies what lives: with room for twice as many, half as much is copied.
 */
const semiSpaceMebibytes = 32;

/** The socket of the soft HSM, in a folder of mode 0700. Refuses a state folder whose path is too long for it. */
export function hsmSocketOf(state: string): string {
  const path = join(state, 'hsm-link', 'host.sock');
  if (Buffer.byteLength(path) <= longestSocketPath) return path;
  const message = `the path of the state folder ${state} is too long for a socket in it; name a shorter one with OPENKDH_STATE`;
  throw new LauncherError('STATE_PATH_TOO_LONG', message);
}

/** The database. A fast shutdown ends its sessions; an immediate one leaves the rest to recovery at the next start. */
export function postgresPart({ command, readyText, dataFolder, guard }: EmbeddedPostgres): Part {
  return {
    name: 'postgres',
    command,
    marker: dataFolder,
    readyText,
    guard,
    signals: { stop: 'SIGINT', kill: 'SIGQUIT' },
  };
}

/** The soft HSM, on a unix socket for kdh-server and on TLS for whoever holds the client certificate. */
export function hsmPart(state: string): Part {
  const link = join(state, 'hsm-link');
  return ownPart('soft-hsm', state, {}, [
    'serve',
    ...['--state', join(state, 'soft-hsm')],
    ...['--passphrase-file', join(state, 'hsm-passphrase')],
    ...['--socket', hsmSocketOf(state)],
    ...['--tls-port', '0'],
    ...['--tls-cert', join(link, 'server.pem')],
    ...['--tls-key', join(link, 'server-key.pem')],
    ...['--tls-ca', join(link, 'ca.pem')],
  ]);
}

/** `kdh-server migrate`. */
export function migrationTask(state: string, ownerUrl: string, applicationUrl: string): Task {
  const env = { KDH_MIGRATION_DATABASE_URL: ownerUrl, KDH_DATABASE_URL: applicationUrl };
  const program = ownProgram('kdh-server', state, env, ['migrate']);
  return { ...program, name: 'migrate', progressText: '"event":"database.migrating"' };
}

/** What kdh-server is started with. */
export interface ServerSettings {
  /** Of the role that {@link migrationTask} makes. */
  databaseUrl: string;
  redisUrl: string | undefined;
  hsmUrl: string;
  port: number;
  terminalPort: number;
}

/** One kdh-server in all its roles. Settings of its own (KDH_…) in `environment` are handed on. */
export function serverPart(state: string, settings: ServerSettings, environment: NodeJS.ProcessEnv): Part {
  const own = Object.entries(environment).filter(([name]) => name.startsWith('KDH_'));
  return ownPart('kdh-server', state, {
    ...Object.fromEntries(own),
    KDH_DATABASE_URL: settings.databaseUrl,
    ...(settings.redisUrl === undefined ? {} : { KDH_REDIS_URL: settings.redisUrl }),
    KDH_HSM_URL: settings.hsmUrl,
    KDH_HTTP_PORT: String(settings.port),
    KDH_TERMINAL_PORT: String(settings.terminalPort),
    KDH_STATE_DIR: join(state, 'kdh-server'),
  });
}

/** The simulated terminals. */
export function fleetPart(
  state: string,
  fleet: { terminals: number; port: number; terminalPort: number; tokenFile: string; profileId: string },
): Part {
  return ownPart('terminal-sim', state, {}, [
    'fleet',
    ...['--terminals', String(fleet.terminals)],
    ...['--state', join(state, 'terminals')],
    ...['--kdh', `wss://127.0.0.1:${fleet.terminalPort}/kdh`],
    ...['--api', `http://127.0.0.1:${fleet.port}`],
    ...['--token-file', fleet.tokenFile],
    ...['--profile', fleet.profileId],
  ]);
}

function ownPart(name: string, state: string, env: NodeJS.ProcessEnv, args: readonly string[] = []): Part {
  return { ...ownProgram(name, state, env, args), readyText: '"event":"ready"' };
}

/** A program of ours: its name is its folder in apps, and it ends by itself when its standard input closes. */
function ownProgram(name: string, state: string, env: NodeJS.ProcessEnv, args: readonly string[]): Program {
  const main = join(repository, 'apps', name, 'dist', 'main.js');
  const inherited = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'] as const;
  return {
    name,
    command: {
      file: process.execPath,
      args: [`--max-semi-space-size=${semiSpaceMebibytes}`, main, ...args],
      env: {
        ...Object.fromEntries(inherited.map((variable) => [variable, process.env[variable]])),
        ...env,
        OPENKDH_PARENT_WATCH: '1',
      },
      cwd: state,
    },
    marker: main,
    signals: { stop: 'SIGTERM', kill: 'SIGKILL' },
  };
}
