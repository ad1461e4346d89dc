import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The soft HSM's program, from dist (`tsc -b` first). */
export const softHsmProgram = join(import.meta.dirname, '../../apps/soft-hsm/dist/main.js');

/** What the ready line says. */
export interface Ready {
  socket: string;
  state: string;
  lmkCheckValue: string;
  lmkStatus: string;
  checkpointKey: string;
}

const running = new Set<SoftHsmProcess>();

/** The program with any arguments, and all that it writes. */
export class SoftHsmProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly exit: Promise<number | null>;
  output = '';

  constructor(args: string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [softHsmProgram, ...args], {
      env: { PATH: process.env['PATH'], ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => {
        this.output += chunk;
      });
    }
    this.exit = new Promise((resolve) => this.child.once('close', resolve));
    running.add(this);
  }

  /** Throws what the program has written if it ends instead. */
  async ready(): Promise<Ready> {
    let ended = false;
    void this.exit.then(() => {
      ended = true;
    });
    for (;;) {
      const line = this.output.split('\n').find((text) => text.includes('"event":"ready"'));
      if (line) return JSON.parse(line) as Ready;
      if (ended) throw new Error(this.output);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits until it has written what `pattern` matches: its output comes another way than its answers. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.output)) {
      if (this.child.stdout.closed && this.child.stderr.closed) throw new Error(this.output);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    running.delete(this);
    this.child.kill(signal);
    return this.exit;
  }
}

/** Ends what a test has left running. */
export async function killAll(): Promise<void> {
  for (const process of running) await process.stop('SIGKILL');
}

/** A folder with a passphrase, and the arguments to serve from it. */
export function newHome(passphrase = 'a passphrase of this test') {
  const folder = mkdtempSync(join(tmpdir(), 'soft-hsm-'));
  const passphraseFile = join(folder, 'passphrase');
  writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  const state = join(folder, 'state');
  const socket = join(folder, 'host.sock');
  const serve = ['serve', '--state', state, '--socket', socket];
  return {
    folder,
    passphraseFile,
    state,
    socket,
    live: [...serve, '--passphrase-file', passphraseFile],
    dualControl: [...serve, '--dual-control'],
    testLmk: [...serve, '--test-lmk'],
  };
}

/** Exit code and output of arguments that let the program end by itself. */
export async function outcome(args: string[], env?: NodeJS.ProcessEnv) {
  const process = new SoftHsmProcess(args, env);
  const code = await process.exit;
  running.delete(process);
  return { code, output: process.output };
}
