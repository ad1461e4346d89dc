import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { readyLine, startChild } from '../../apps/launcher/src/child.ts';
import { hsmPart } from '../../apps/launcher/src/parts.ts';
import { makeLinkCertificates, makePassphrase } from '../../apps/launcher/src/provision.ts';
import type { Pids } from '../../apps/launcher/src/supervisor.ts';
import { emptyDatabase, freshDatabase } from '../support/postgres.ts';

// `npm start` as a user meets it: the real command, with its state in a temporary folder. The tests go on from each
// other as the starts of a user do.

jest.setTimeout(120_000); // on a loaded machine one start may take twenty seconds

const start = fileURLToPath(new URL('../../apps/launcher/start.js', import.meta.url));

let folder: string;
let state: string;
const launchers: Launcher[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'openkdh-start-'));
  state = join(folder, 'state');
  (globalThis as { openkdhLogFolder?: string }).openkdhLogFolder = join(state, 'logs'); // for environment.js
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

afterEach(async () => {
  for (const { process: launcher } of launchers.splice(0)) launcher.kill('SIGKILL'); // what a failed test left
  await until('nothing of it runs', () => processesOfState().length === 0);
});

interface Launcher {
  process: ChildProcess;
  output: () => string;
  errors: () => string;
  /** Waits until `condition` holds; fails, with all that it said, when it ends before. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Waits for its end and fails, with all that it said, when it ends otherwise than with `code`. */
  exits(code: number | null): Promise<void>;
}

function launch(...args: string[]): Launcher {
  return launchWith({}, ...args);
}

/** `environment`: the parts that are there already. */
function launchWith(environment: NodeJS.ProcessEnv, ...args: string[]): Launcher {
  const ports = ['--port', '0', '--terminal-port', '0'];
  const child = spawn(process.execPath, [start, ...ports, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], OPENKDH_STATE: state, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (errors += data));
  const closed = once(child, 'close');
  const exits = async (expected: number | null) => {
    const [code] = await closed;
    if (code !== expected)
      throw new Error(`expected exit code ${expected}, got ${code}:\n${output}${errors}`);
  };
  const waitUntil = (what: string, condition: () => boolean) =>
    until(what, () => {
      if (child.exitCode !== null) throw new Error(`ended, waiting until ${what}:\n${output}${errors}`);
      return condition();
    });
  const launcher = { process: child, output: () => output, errors: () => errors, until: waitUntil, exits };
  launchers.push(launcher);
  return launcher;
}

/** What the launcher said on standard error, but for the line of the build. */
const refusalOf = ({ errors }: Launcher) => errors().replace(/^Building \.\.\.\n/, '');

/** Everything that runs in the state folder or was started with it. */
function processesOfState(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return command.includes(state) || readlinkSync(`/proc/${pid}/cwd`).startsWith(state);
    } catch {
      return false; // it has ended
    }
  });
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await sleep(50)) {
    if (Date.now() > deadline) throw new Error(`after a minute still waiting until ${what}`);
  }
}

const runningParts = () => JSON.parse(readFileSync(join(state, 'pids.json'), 'utf8')) as Pids;
const operatorToken = () => readFileSync(join(state, 'kdh-server', 'operator-token'), 'utf8');

describe('with --once --json', () => {
  test('three terminals get their keys, the figures are the last line, and nothing is left running', async () => {
    const launcher = launch('--once', '--json', '--terminals', '3');
    await launcher.exits(0);
    expect(launcher.errors()).toContain('SIM-000003'); // what is for people is not on standard output
    const figures = JSON.parse(launcher.output()) as Record<string, number>;
    expect(figures).toMatchObject({ terminals: 3, loads: 3, confirmed: 3 });
    expect(figures['seconds']).toBeGreaterThan(0);
    expect(figures['loadsPerSecond']).toBeGreaterThan(0);
    expect(statSync(state).mode & 0o777).toBe(0o700);
    expect(processesOfState()).toEqual([]);
  });

  test('a second start carries on: no load is repeated', async () => {
    const token = operatorToken();
    const launcher = launch('--once', '--json', '--terminals', '4');
    await launcher.exits(0);
    expect(JSON.parse(launcher.output())).toMatchObject({ terminals: 4, loads: 4, confirmed: 4 });
    expect(operatorToken()).toBe(token);
  });

  test('--fresh begins anew', async () => {
    const token = operatorToken();
    const launcher = launch('--fresh', '--once', '--json', '--terminals', '1');
    await launcher.exits(0);
    expect(JSON.parse(launcher.output())).toMatchObject({ terminals: 1, loads: 1, confirmed: 1 });
    expect(operatorToken()).not.toBe(token);
  });

  test('when time runs out, that is said in one line, with the figures and exit code 1', async () => {
    const launcher = launch('--once', '--json', '--terminals', '200', '--timeout', '1');
    await launcher.exits(1);
    expect(JSON.parse(launcher.output())).toHaveProperty('confirmed');
    expect(launcher.errors()).toMatch(/\nthe fleet does not hold its keys after 1 s: .*\n$/);
    expect(processesOfState()).toEqual([]);
  });
});

describe('without --once', () => {
  const isUp = (launcher: Launcher) =>
    launcher.until('the terminals hold their keys', () =>
      launcher.output().includes('Ctrl-C stops everything'),
    );

  test('it shows table and addresses, stays up, keeps a second launcher out, and Ctrl-C ends everything', async () => {
    const launcher = launch('--fresh', '--terminals', '2');
    await isUp(launcher);
    expect(launcher.output()).toMatch(/^SIM-000001 +PIN +A128 +[0-9A-F]{16,24} +[0-9A-F]{6}$/m);
    expect(launcher.output()).toMatch(/^SIM-000002 +DATA +T2 +[0-9A-F]{20} +[0-9A-F]{6}$/m);
    const [, api] = /^REST API +(http:\S+)\/api\/docs$/m.exec(launcher.output())!;
    expect((await fetch(`${api}/api/v1/health`)).status).toBe(200);

    const second = launch();
    await second.exits(1);
    expect(refusalOf(second)).toMatch(
      new RegExp(`^another launcher \\(process ${launcher.process.pid}\\) .*\\n$`),
    );

    launcher.process.kill('SIGINT');
    await launcher.exits(0);
    expect(processesOfState()).toEqual([]);
  });

  test('a part that is killed is started again, and the terminals come back', async () => {
    const launcher = launch('--terminals', '2');
    await isUp(launcher);
    process.kill(runningParts()['kdh-server']!.pid, 'SIGKILL');
    await launcher.until('its end is told', () => launcher.output().includes('kdh-server ended (SIGKILL)'));
    const [, api] = /^REST API +(http:\S+)\/api\/docs$/m.exec(launcher.output())!;
    const authorization = `Bearer ${operatorToken().trim()}`;
    const connected = async () => {
      const answer = await fetch(`${api}/api/v1/status`, { headers: { authorization } });
      return ((await answer.json()) as { terminals: { connected: number } }).terminals.connected;
    };
    for (const deadline = Date.now() + 60_000; (await connected().catch(() => 0)) !== 2; await sleep(100)) {
      if (Date.now() > deadline) throw new Error('the terminals did not come back');
    }
    launcher.process.kill('SIGTERM');
    await launcher.exits(0);
  });

  test('killed with -9 it leaves no process behind, and the next start carries on', async () => {
    const launcher = launch('--terminals', '2');
    await isUp(launcher);
    launcher.process.kill('SIGKILL');
    await launcher.exits(null);
    await until('no process is left', () => processesOfState().length === 0);

    const next = launch('--once', '--json', '--terminals', '2');
    await next.exits(0);
    expect(JSON.parse(next.output())).toMatchObject({ terminals: 2, loads: 2, confirmed: 2 });
  });

  test('a second Ctrl-C waits for nothing', async () => {
    const launcher = launch('--terminals', '2');
    await isUp(launcher);
    process.kill(runningParts()['kdh-server']!.pid, 'SIGSTOP'); // it cannot end by itself: the first waits for it
    launcher.process.kill('SIGINT');
    await launcher.until('the first is noticed', () => launcher.errors().includes('Stopping'));
    launcher.process.kill('SIGINT');
    await launcher.exits(130);
    expect(launcher.output()).not.toContain('does not end; killing it');
    await until('no process is left', () => processesOfState().length === 0);
  });
});

test('a migration may take its time, says how far it is, and Ctrl-C stops it', async () => {
  const database = await emptyDatabase();
  const holder = new pg.Client(database.url);
  await holder.connect();
  try {
    await holder.query('begin; create table operator ()'); // which the first migration makes: it waits
    const launcher = launchWith({ DATABASE_URL: database.url }, '--once');
    await launcher.until('the migration is told of', () =>
      /^bringing the database up to date: Initial, 1 of \d+$/m.test(launcher.output()),
    );
    expect(runningParts()).toHaveProperty('migrate');
    launcher.process.kill('SIGINT');
    await launcher.exits(130);
    expect(processesOfState()).toEqual([]);
    expect(readFileSync(join(state, 'logs', 'migrate.log'), 'utf8')).toContain('the migration was stopped');
  } finally {
    await holder.end();
    await database.drop();
  }
});

describe('parts that are there already are used, and not started', () => {
  test('DATABASE_URL and HSM_URL', async () => {
    const database = await freshDatabase();
    const hsmFolder = join(folder, 'hsm');
    mkdirSync(hsmFolder);
    makePassphrase(hsmFolder);
    await makeLinkCertificates(hsmFolder);
    const part = hsmPart(hsmFolder);
    const hsm = startChild(part.command, join(folder, 'hsm.log'));
    const ready = JSON.parse(await readyLine(hsm, part.readyText, 30_000)) as { tls: string };
    const link = (name: string) => join(hsmFolder, 'hsm-link', name);
    state = join(folder, 'other-state');
    const environment = {
      DATABASE_URL: database.url,
      HSM_URL: `tls://${ready.tls}`,
      KDH_HSM_TLS_CERT: link('client.pem'),
      KDH_HSM_TLS_KEY: link('client-key.pem'),
      KDH_HSM_TLS_CA: link('ca.pem'),
    };

    const launcher = launchWith(environment, '--once', '--json', '--terminals', '2');
    await launcher.exits(0);
    expect(JSON.parse(launcher.output())).toMatchObject({ terminals: 2, loads: 2, confirmed: 2 });
    expect(readdirSync(join(state, 'logs')).sort()).toEqual([
      'kdh-server.log',
      'migrate.log',
      'terminal-sim.log',
    ]);
    expect(launcher.errors()).not.toContain(new URL(database.url).password);

    const fresh = launchWith(environment, '--fresh');
    await fresh.exits(2);
    expect(refusalOf(fresh)).toMatch(
      /^--fresh empties the state folder, not the database of DATABASE_URL; .*\n$/,
    );

    state = join(folder, 'third-state'); // a state folder that does not know this database
    const foreign = launchWith(environment, '--once');
    await foreign.exits(1);
    expect(foreign.errors()).toMatch(/\nthe database has an operator already, whose token is not in .*\n$/);

    hsm.process.kill('SIGTERM');
    await hsm.ended;
    await database.drop();
  });
});

describe('what cannot be is answered with one line', () => {
  test('a busy port', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const launcher = launch('--port', String(port));
    await launcher.exits(1);
    expect(refusalOf(launcher)).toBe(
      `port ${port} of 127.0.0.1 is in use; choose another with --port PORT\n`,
    );
    expect(processesOfState()).toEqual([]);
    holder.close();
  });

  test('an unknown flag', async () => {
    const launcher = launch('--frehs');
    await launcher.exits(2);
    expect(refusalOf(launcher)).toBe("Unknown option '--frehs'; npm start -- --help lists the options\n");
  });

  test('a state folder that cannot be made', async () => {
    const child = spawn(process.execPath, [start], {
      env: { ...process.env, OPENKDH_STATE: join(start, 'state') },
    });
    let errors = '';
    child.stderr.on('data', (data) => (errors += data));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(errors).toMatch(/\nthere is a file where a folder should be, at .*\n$/);
  });
});
