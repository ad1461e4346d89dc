import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import { dirname } from 'node:path';
import type { NoteSigner } from '@openkdh/transparency-log';
import { CliError } from '../errors.ts';
import { asciiHex } from '../hex.ts';
import { cosigner, formatState, parseState, type WitnessState } from './state.ts';

/** The system calls that write the state; a test kills the process before any of them. */
export type FileCalls = Pick<
  typeof fs,
  'openSync' | 'readFileSync' | 'writeSync' | 'fsyncSync' | 'closeSync' | 'renameSync' | 'rmSync'
>;

/**
 * Makes a witness: a new Ed25519 key in a new file of mode 0600. Returns its signer.
 * @throws CLI_FILE (it exists, or cannot be written), TLOG_MALFORMED (no name of a key)
 */
export function createState(path: string, name: string): NoteSigner {
  const { privateKey } = generateKeyPairSync('ed25519');
  const signer = cosigner(name, privateKey);
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const keyLine = asciiHex(der);
  const bytes = formatState(keyLine, { name, logs: new Map() });
  der.fill(0);
  keyLine.fill(0);
  try {
    onState(() => {
      writeDurably(path, bytes, fs);
      syncFolder(path, fs);
    });
  } finally {
    bytes.fill(0);
  }
  return signer;
}

/** Reads the state, of a witness that may be running. @throws CLI_FILE, TLOG_MALFORMED */
export function readState(path: string): { signer: NoteSigner; state: WitnessState } {
  const bytes = onState(() => fs.readFileSync(path));
  try {
    const { keyLine, signer, state } = parseState(bytes);
    keyLine.fill(0);
    return { signer, state };
  } finally {
    bytes.fill(0);
  }
}

/**
 * The state file of a witness that runs. After a crash at any point it holds the old state or the new one, and a
 * replacement that has returned is there for good. Two processes with one file do no harm: a replacement is refused
 * unless the file still holds what this process wrote or read last.
 */
export class StateFile {
  readonly signer: NoteSigner;
  readonly #path: string;
  readonly #calls: FileCalls;
  readonly #keyLine: Uint8Array;
  /** What the file holds, as far as this process knows; with the private key. */
  #bytes: Uint8Array;
  #state: WitnessState;

  /** @throws CLI_FILE, TLOG_MALFORMED */
  constructor(path: string, calls: FileCalls = fs) {
    this.#path = path;
    this.#calls = calls;
    calls.rmSync(temporaryOf(path), { force: true }); // of a replacement in which a process was killed
    this.#bytes = onState(() => calls.readFileSync(path));
    const { keyLine, signer, state } = parseState(this.#bytes);
    this.signer = signer;
    this.#keyLine = keyLine;
    this.#state = state;
  }

  get state(): WitnessState {
    return this.#state;
  }

  /** Returns once the new state is durable. @throws CLI_FILE: then nothing may be cosigned that depends on it */
  replace(state: WitnessState): void {
    const bytes = formatState(this.#keyLine, state);
    try {
      onState(() => this.#replaceBytes(bytes));
    } catch (error) {
      bytes.fill(0);
      throw error;
    }
    this.#bytes.fill(0);
    this.#bytes = bytes;
    this.#state = state;
  }

  /** Wipes the private key. */
  close(): void {
    this.#bytes.fill(0);
    this.#keyLine.fill(0);
  }

  #replaceBytes(bytes: Uint8Array): void {
    // Made exclusively: of two processes, only one gets as far as to compare and rename.
    const temporary = temporaryOf(this.#path);
    writeDurably(temporary, bytes, this.#calls);
    const found = this.#calls.readFileSync(this.#path);
    const isOurs = Buffer.compare(found, this.#bytes) === 0;
    found.fill(0);
    if (!isOurs) {
      this.#calls.rmSync(temporary);
      throw new CliError('CLI_FILE', 'state: another process has changed it; only one witness may run on it');
    }
    this.#calls.renameSync(temporary, this.#path);
    syncFolder(this.#path, this.#calls);
  }
}

const temporaryOf = (path: string) => `${path}.new`;

/** A new file of mode 0600, on the disk when this returns; gone if it throws. */
function writeDurably(path: string, bytes: Uint8Array, calls: FileCalls): void {
  const file = calls.openSync(path, 'wx', 0o600);
  try {
    for (let written = 0; written < bytes.length; ) {
      written += calls.writeSync(file, bytes, written, bytes.length - written);
    }
    calls.fsyncSync(file);
  } catch (error) {
    calls.rmSync(path); // a full disk may have room later
    throw error;
  } finally {
    calls.closeSync(file);
  }
}

function syncFolder(path: string, calls: FileCalls): void {
  const folder = calls.openSync(dirname(path), 'r');
  try {
    calls.fsyncSync(folder);
  } finally {
    calls.closeSync(folder);
  }
}

/** What the file system answers, without the path. */
function onState<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new CliError('CLI_FILE', `state: the file system answers ${code}`);
  }
}
