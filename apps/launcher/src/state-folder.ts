import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LauncherError } from './errors.ts';
import { commandOf, gone } from './processes.ts';
import type { Pids } from './supervisor.ts';

/** Says that a folder is ours, so that `--fresh` can't empty another one. */
const mark = 'OPENKDH-STATE';
const lock = 'launcher.lock';

/** The one folder that a running system keeps its state in, held by one launcher at a time. */
export interface StateFolder {
  path: string;
  /** Lets the next launcher in. */
  release(): void;
}

/**
 * Makes the folder `path` (mode 0700) or opens the one that an earlier launcher made, takes its lock, and waits for
 * the processes of a killed launcher to end. `fresh` empties it. STATE_NOT_OURS for any other folder that holds
 * something, STATE_IN_USE while another launcher, or a process it left behind, still uses it.
 */
export async function openState(path: string, { fresh }: { fresh: boolean }): Promise<StateFolder> {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (!existsSync(join(path, mark))) {
    if (readdirSync(path).length > 0) {
      const message = `${path} holds something else than the state of OpenKDH; name another with OPENKDH_STATE`;
      throw new LauncherError('STATE_NOT_OURS', message);
    }
    writeFileSync(join(path, mark), 'The state of npm start. Remove it with: npm start -- --fresh\n');
  }
  takeLock(join(path, lock), path);
  try {
    chmodSync(path, 0o700);
    await leftBehindEnded(join(path, 'pids.json'));
    if (fresh) {
      for (const name of readdirSync(path)) {
        if (name !== mark && name !== lock) rmSync(join(path, name), { recursive: true });
      }
    }
    mkdirSync(join(path, 'logs'), { recursive: true, mode: 0o700 });
  } catch (error) {
    rmSync(join(path, lock));
    throw error;
  }
  return { path, release: () => rmSync(join(path, lock), { force: true }) };
}

/** The lock names a process and its command line: the number alone may be another program's after a restart. */
function takeLock(file: string, path: string): void {
  const content = JSON.stringify({ pid: process.pid, command: commandOf(process.pid) });
  try {
    writeFileSync(file, content, { flag: 'wx', mode: 0o600 });
    return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = parsed<{ pid: number; command: string }>(readFileSync(file, 'utf8'));
  if (holder && holder.command !== '' && commandOf(holder.pid) === holder.command) {
    const message = `another launcher (process ${holder.pid}) runs on ${path}; stop it, or name another folder with OPENKDH_STATE`;
    throw new LauncherError('STATE_IN_USE', message);
  }
  writeFileSync(file, content, { mode: 0o600 }); // its launcher was killed
}

/** Children notice the death of their launcher and end; one that has not after 3 s is asked to. */
async function leftBehindEnded(pidsFile: string): Promise<void> {
  if (!existsSync(pidsFile)) return;
  const pids = parsed<Pids>(readFileSync(pidsFile, 'utf8')) ?? {};
  for (const [name, { pid, marker, stop }] of Object.entries(pids)) {
    if (await gone(pid, marker, 3_000)) continue;
    process.kill(pid, stop);
    if (await gone(pid, marker, 15_000)) continue;
    const message = `${name} of an earlier run (process ${pid}) does not end; kill it, then start again`;
    throw new LauncherError('STATE_IN_USE', message);
  }
}

/** JSON that a killed launcher may have written in part: undefined then. */
function parsed<T>(json: string): T | undefined {
  try {
    return JSON.parse(json) as T;
  } catch {
    return undefined;
  }
}
