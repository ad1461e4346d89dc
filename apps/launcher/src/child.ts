import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LauncherError } from './errors.ts';

/** A program with all that it is started with; `env` is its whole environment. */
export interface Command {
  file: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** Only root may set these. */
  uid?: number;
  gid?: number;
}

/** A started program. `logFrom` is where in its log file this run begins, in bytes. */
export interface Child {
  process: ChildProcess;
  logFile: string;
  logFrom: number;
  /** How it ended, once it has: an exit code, or the signal that killed it, or why it could not be started. */
  ended: Promise<string>;
}

/**
 * Starts `command` as the leader of a process group of its own, so that Ctrl-C in a terminal does not reach it.
 * Its output goes straight to `logFile` (mode 0600, appended): nothing of it breaks when its parent dies.
 * Its standard input is a pipe whose other end we hold, so that it can notice our death.
 */
export function startChild(command: Command, logFile: string): Child {
  const log = openSync(logFile, 'a', 0o600);
  try {
    const logFrom = fstatSync(log).size;
    const { uid, gid } = command;
    const child = spawn(command.file, command.args, {
      env: command.env,
      cwd: command.cwd,
      detached: true,
      stdio: ['pipe', log, log],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    child.stdin?.on('error', () => {}); // EPIPE when it ends first; its end is reported by `ended`
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    return { process: child, logFile, logFrom, ended };
  } finally {
    closeSync(log);
  }
}

/**
 * Waits until `child` has written a line that holds `readyText`, and returns that line. When it ends before, or
 * `timeoutMs` pass, it is killed, and PART_FAILED says the last thing it said.
 */
export async function readyLine(child: Child, readyText: string, timeoutMs: number): Promise<string> {
  let ended = false;
  void child.ended.then(() => {
    ended = true;
  });
  for (const deadline = Date.now() + timeoutMs; ; await sleep(25)) {
    const last = ended || Date.now() > deadline; // read once more after the end: the line may have come with it
    const line = await lastLine(child, readyText);
    if (line !== undefined) return line;
    if (last) break;
  }
  child.process.kill('SIGKILL');
  throw await failureOf(child);
}

/** The last line so far that holds `text`; one that is not written to its end does not count. */
export async function lastLine(child: Child, text: string): Promise<string | undefined> {
  const complete = (await outputOf(child)).split('\n').slice(0, -1);
  return complete.findLast((line) => line.includes(text));
}

/** Waits for the end of `child`; PART_FAILED with the last thing it said. */
export async function failureOf(child: Child): Promise<LauncherError> {
  const ending = await child.ended;
  const words = lastWords(await outputOf(child)) ?? ending;
  return new LauncherError('PART_FAILED', `${words} (log: ${child.logFile})`);
}

/** What `child` has written so far in this run, the last 64 KiB at most. */
async function outputOf(child: Child): Promise<string> {
  const log = await open(child.logFile, 'r');
  try {
    const { size } = await log.stat();
    const from = Math.max(child.logFrom, size - 65_536);
    const { buffer, bytesRead } = await log.read(Buffer.alloc(Math.max(0, size - from)), 0, undefined, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await log.close();
  }
}

/** In one line, why a program ended: the `msg` of its last JSON line, the error of a stack trace, or its last line. */
function lastWords(output: string): string | undefined {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const line = lines.findLast((candidate) => /^(\{"|\w*Error\b)/.test(candidate)) ?? lines.at(-1);
  return line && messageOf(line).replace(/\s+/g, ' ').trim();
}

function messageOf(line: string): string {
  try {
    return String((JSON.parse(line) as { msg?: unknown }).msg ?? line);
  } catch {
    return line;
  }
}
