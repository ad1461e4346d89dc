import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatVerifierKey } from '@openkdh/transparency-log';
import { createState } from '../../apps/cli/src/witness/state-file.ts';
import { type Child, readyLine, startChild } from '../../apps/launcher/src/child.ts';
import { openkdh } from '../cli/transcript.ts';
import { ownPort } from './ports.ts';

/** A witness as a process of its own, `openkdh witness serve` from dist, with its state in a file of `folder`. */
export class WitnessProcess {
  /** Verifier key. */
  readonly key: string;
  readonly url: string;
  readonly stateFile: string;
  readonly #logFile: string;
  readonly #port: number;
  #child: Child | undefined;

  private constructor(stateFile: string, key: string, port: number) {
    this.stateFile = stateFile;
    this.key = key;
    this.url = `http://127.0.0.1:${port}`;
    this.#logFile = `${stateFile}.${port}.log`;
    this.#port = port;
  }

  /** Makes its key; does not start it. */
  static async create(folder: string, name: string): Promise<WitnessProcess> {
    const stateFile = join(folder, `${name.replaceAll('/', '-')}.state`);
    const { key } = createState(stateFile, name);
    return new WitnessProcess(stateFile, formatVerifierKey(key), await ownPort());
  }

  /** Another one with the same key and state, as nobody should start it. */
  twin(port: number): WitnessProcess {
    return new WitnessProcess(this.stateFile, this.key, port);
  }

  /** `logKey`: verifier key of the log that it serves; `more`: arguments. */
  async start(logKey: string, more: readonly string[] = []): Promise<void> {
    const address = `127.0.0.1:${this.#port}`;
    const args = ['witness', 'serve', '--state', this.stateFile, '--listen', address, '--log-key', logKey];
    const command = {
      file: process.execPath,
      args: [openkdh, ...args, ...more],
      env: { PATH: process.env['PATH'] },
    };
    this.#child = startChild(command, this.#logFile);
    await readyLine(this.#child, 'listens on', 60_000);
  }

  /** Returns how it ended. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<string | undefined> {
    const child = this.#child;
    this.#child = undefined;
    child?.process.kill(signal);
    return child?.ended;
  }

  /** All that it has told so far. */
  get log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Posts to add-checkpoint. */
  async post(body: Uint8Array): Promise<{ status: number; text: string; type: string | null }> {
    const response = await fetch(`${this.url}/add-checkpoint`, { method: 'POST', body: Buffer.from(body) });
    return {
      status: response.status,
      text: await response.text(),
      type: response.headers.get('content-type'),
    };
  }
}
