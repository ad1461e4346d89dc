import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Api, openApi } from '../../apps/launcher/src/api.ts';
import { type Child, readyLine, startChild } from '../../apps/launcher/src/child.ts';
import { ensureDatabase, preparePostgres } from '../../apps/launcher/src/embedded-postgres.ts';
import type { Status } from '../../apps/launcher/src/loads.ts';
import { fleetPart, hsmPart, hsmSocketOf, postgresPart, serverPart } from '../../apps/launcher/src/parts.ts';
import { makeLinkCertificates, makePassphrase, provisionKeys } from '../../apps/launcher/src/provision.ts';
import type { Part } from '../../apps/launcher/src/supervisor.ts';
import { ownPort } from './ports.ts';
import { applicationUrlOf, freshDatabase, migrateTestDatabase } from './postgres.ts';
import { redisPart } from './redis.ts';

/** A node of kdh-server; the first has no number. */
export type NodeName = 'kdh-server' | `kdh-server-${number}`;
export type PartName = 'postgres' | 'redis' | 'soft-hsm' | 'terminal-sim' | NodeName;

/** Where a node listens. */
export interface Node {
  name: NodeName;
  port: number;
  terminalPort: number;
  httpUrl: string;
  terminalUrl: string;
}

/** How a command ended. */
export interface Ended {
  /** Exit code; null if a signal ended it. */
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface StackOptions {
  /** A PostgreSQL of the stack's own, with fsync, that may be killed; else a database on the shared one. */
  ownPostgres?: boolean;
  /** One kdh-server for each, with these settings of its own; one unless said otherwise. */
  nodes?: NodeJS.ProcessEnv[];
  /** More of kdh-server's settings. */
  serverEnvironment?: NodeJS.ProcessEnv;
  /** More arguments of soft-hsm, after those of the launcher. */
  hsmArguments?: string[];
  /** Keep the queue in a Redis of the stack's own. */
  redis?: boolean;
  /** HSMs of the test's own in place of a soft HSM: their addresses, and what their libraries read. */
  otherHsms?: { KDH_HSM_URL: string; KDH_SIGNING_HSM_URL?: string } & NodeJS.ProcessEnv;
  /** The public test LMK in place of one of the stack's own. */
  testLmk?: boolean;
}

/**
 * A whole system as real processes from dist (`tsc -b` first), with its own state in a temporary folder and ports of
 * its own. Unlike the launcher it starts nothing again by itself: a test kills a part and starts it when it likes.
 */
export class Stack {
  readonly folder: string;
  /** Of the owner, a superuser; kdh-server is not told it. */
  readonly databaseUrl: string;
  /** Of the Redis of a stack that has one. */
  readonly redisUrl: string | undefined;
  /** The first is there always, and the one that the rest of this class speaks to. */
  readonly nodes: readonly [Node, ...Node[]];
  readonly tokenFile: string;
  readonly #parts = new Map<PartName, Part>();
  readonly #children = new Map<PartName, Child>();
  readonly #dropDatabase: () => Promise<void>;
  #guard: Child | undefined;

  private constructor(
    folder: string,
    parts: Part[],
    nodes: readonly Node[],
    database: { url: string; drop(): Promise<void> },
    redisUrl: string | undefined,
  ) {
    this.folder = folder;
    this.nodes = nodes as readonly [Node, ...Node[]];
    this.databaseUrl = database.url;
    this.redisUrl = redisUrl;
    this.#dropDatabase = database.drop;
    this.tokenFile = join(folder, 'kdh-server', 'operator-token');
    for (const part of parts) this.#parts.set(part.name as PartName, part);
  }

  /** Starts everything but the terminals. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const folder = mkdtempSync(join(tmpdir(), 'openkdh-stack-'));
    mkdirSync(join(folder, 'logs'));
    (globalThis as { openkdhLogFolder?: string }).openkdhLogFolder = join(folder, 'logs'); // for environment.js
    makePassphrase(folder);
    await makeLinkCertificates(folder);

    const postgres = options.ownPostgres ? await preparePostgres(join(folder, 'postgres')) : undefined;
    const database = postgres
      ? { url: postgres.urlOf('openkdh'), drop: async () => {} }
      : await freshDatabase();
    const hsm = options.testLmk ? underTestLmk(hsmPart(folder)) : hsmPart(folder);
    const redis = options.redis ? await redisPart(folder) : undefined;
    const settings = {
      databaseUrl: applicationUrlOf(database.url),
      redisUrl: redis?.url,
      hsmUrl: `unix:${hsmSocketOf(folder)}`,
    };
    const nodes: Node[] = [];
    const environments = options.nodes ?? [{}];
    for (const index of environments.keys()) nodes.push(await chooseNode(index + 1));
    const servers = nodes.map((node, index) => {
      const environment = { ...options.serverEnvironment, ...environments[index] };
      const server = asNode(serverPart(folder, { ...settings, ...node }, environment), node, folder);
      return withEnvironment(server, options.otherHsms ?? {});
    });
    const parts = options.otherHsms ? servers : [withArguments(hsm, options.hsmArguments ?? []), ...servers];
    if (redis) parts.unshift(redis.part);
    if (postgres) parts.unshift(postgresPart(postgres));

    const stack = new Stack(folder, parts, nodes, database, redis?.url);
    try {
      for (const { name } of parts) {
        await stack.startPart(name as PartName);
        if (postgres && name === 'postgres') {
          await ensureDatabase(postgres, 'openkdh');
          await migrateTestDatabase(database.url);
        }
      }
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  /** The token of the first operator. */
  get token(): string {
    return readFileSync(this.tokenFile, 'utf8').trim();
  }

  get httpUrl(): string {
    return this.nodes[0].httpUrl;
  }

  get terminalUrl(): string {
    return this.nodes[0].terminalUrl;
  }

  /** The REST API of the first node with the operator token. */
  get api(): Api {
    return this.apiOf(this.nodes[0]);
  }

  apiOf(node: Node): Api {
    return openApi(node.httpUrl, this.token);
  }

  /**
   * Makes the BDKs and the profile of `npm start`, or takes another `profile`, and starts a fleet with it; `more`
   * are arguments of terminal-sim.
   */
  async startFleet(terminals: number, more: string[] = [], profile?: string): Promise<void> {
    const profileId = profile ?? (await provisionKeys(this.api));
    const part = fleetPart(this.folder, {
      terminals,
      ...this.nodes[0],
      tokenFile: this.tokenFile,
      profileId,
    });
    this.#parts.set('terminal-sim', withArguments(part, more));
    await this.startPart('terminal-sim');
  }

  /** Starts a part that does not run, with more in its environment if `env` says so, and waits until it is ready. */
  async startPart(name: PartName, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const part = this.#parts.get(name);
    if (part === undefined) throw new Error(`this stack has no ${name}`);
    if (part.guard) this.#guard ??= startChild(part.guard, join(this.folder, 'logs', `${name}-guard.log`));
    const command = { ...part.command, env: { ...part.command.env, ...env } };
    const child = startChild(command, join(this.folder, 'logs', `${name}.log`));
    this.#children.set(name, child);
    await readyLine(child, part.readyText, 60_000);
  }

  /** Runs a command of the first kdh-server, which need not run, to its end; `env`: more of its environment. */
  async runServerCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const { command } = this.#parts.get('kdh-server')!;
    const child = spawn(command.file, [...command.args, ...args], {
      env: { ...command.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { status, stdout, stderr };
  }

  /** Waits until a part has ended by itself; returns how. Fails when it still runs after `timeoutMs`. */
  async ended(name: PartName, timeoutMs = 60_000): Promise<string> {
    const child = this.#child(name);
    const timeout = sleep(timeoutMs, undefined, { ref: false });
    const how = await Promise.race([child.ended, timeout]);
    if (how === undefined) throw new Error(`after ${timeoutMs} ms ${name} still runs`);
    this.#children.delete(name);
    return how;
  }

  runs(name: PartName): boolean {
    return this.#children.has(name);
  }

  /** The process id of a part that runs. */
  pidOf(name: PartName): number {
    return this.#child(name).process.pid!;
  }

  /**
   * Makes the failpoints of a node act (it was started with KDH_FAILPOINTS), and waits until they do; once more, it lets go
   * what they hold.
   */
  async armFailpoints(node: NodeName = 'kdh-server'): Promise<void> {
    const armed = () => this.logs()[node]!.split('"event":"failpoints.armed"').length;
    const before = armed();
    process.kill(this.pidOf(node), 'SIGUSR2');
    await this.until('the failpoints are armed', () => armed() > before);
  }

  /** Kills a part at once, and waits until it is gone, and the processes that it had started. */
  async kill9(name: PartName): Promise<void> {
    const child = this.#child(name);
    this.#children.delete(name);
    const { pid } = child.process;
    // PostgreSQL does not start anew while one of its old processes holds the shared memory.
    const others = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    child.process.kill('SIGKILL');
    await child.ended;
    for (const other of others) while (existsSync(`/proc/${other}`)) await sleep(10);
  }

  /** Asks a part to end and waits until it has; returns how it ended. */
  async stopPart(name: PartName): Promise<string> {
    const child = this.#child(name);
    this.#children.delete(name);
    child.process.kill(this.#parts.get(name)!.signals.stop);
    return child.ended;
  }

  async restart(name: PartName): Promise<void> {
    if (this.#children.has(name)) await this.stopPart(name);
    await this.startPart(name);
  }

  status(): Promise<Status> {
    return this.api.get<Status>('/status');
  }

  /**
   * Waits until `condition` holds; an error from it (a part that is just down) counts as not yet. Fails when a part
   * has ended by itself, or after `timeoutMs`, and says what was waited for.
   */
  async until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    let lastError: unknown;
    for (const deadline = Date.now() + timeoutMs; ; await sleep(50)) {
      try {
        if (await condition()) return;
      } catch (error) {
        lastError = error;
      }
      for (const [name, { process, ended }] of this.#children) {
        if (process.exitCode !== null || process.signalCode !== null) {
          throw new Error(`${name} ended (${await ended}) while waiting until ${what}`);
        }
      }
      if (Date.now() > deadline) {
        throw new Error(`after ${timeoutMs} ms still waiting until ${what}`, { cause: lastError });
      }
    }
  }

  /** Waits until so many loads are confirmed, and no more. */
  untilConfirmed(loads: number): Promise<void> {
    return this.until(
      `${loads} loads are confirmed`,
      async () => (await this.status()).loads.confirmed === loads,
    );
  }

  /** All that the parts have logged so far, by the name of the part. */
  logs(): Record<string, string> {
    const folder = join(this.folder, 'logs');
    const names = readdirSync(folder);
    return Object.fromEntries(
      names.map((name) => [name.replace(/\.log$/, ''), readFileSync(join(folder, name), 'utf8')]),
    );
  }

  /** Stops what runs, the terminals first, and removes the folder and the database. */
  async stop(): Promise<void> {
    for (const name of [...this.#parts.keys()].reverse()) {
      if (this.#children.has(name)) await this.stopPart(name);
    }
    this.#guard?.process.kill('SIGKILL');
    await this.#dropDatabase();
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true });
    delete (globalThis as { openkdhLogFolder?: string }).openkdhLogFolder;
  }

  #child(name: PartName): Child {
    const child = this.#children.get(name);
    if (child === undefined) throw new Error(`${name} does not run`);
    return child;
  }
}

async function chooseNode(n: number): Promise<Node> {
  const port = await ownPort();
  const terminalPort = await ownPort();
  return {
    name: n === 1 ? 'kdh-server' : `kdh-server-${n}`,
    port,
    terminalPort,
    httpUrl: `http://127.0.0.1:${port}`,
    terminalUrl: `wss://127.0.0.1:${terminalPort}/kdh`,
  };
}

/** A node has a name and a state folder of its own; the first keeps the operator token in its. */
function asNode(part: Part, { name }: Node, folder: string): Part {
  const env = { ...part.command.env, KDH_NODE_ID: name, KDH_STATE_DIR: join(folder, name) };
  return { ...part, name, command: { ...part.command, env } };
}

function withEnvironment(part: Part, more: NodeJS.ProcessEnv): Part {
  return { ...part, command: { ...part.command, env: { ...part.command.env, ...more } } };
}

function withArguments(part: Part, more: readonly string[]): Part {
  return { ...part, command: { ...part.command, args: [...part.command.args, ...more] } };
}

function underTestLmk(part: Part): Part {
  const { args } = part.command;
  const passphrase = args.indexOf('--passphrase-file');
  return {
    ...part,
    command: {
      ...part.command,
      args: [...args.slice(0, passphrase), '--test-lmk', ...args.slice(passphrase + 2)],
    },
  };
}
