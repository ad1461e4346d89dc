import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, type Command, failureOf, lastLine, readyLine, startChild } from './child.ts';
import { LauncherError } from './errors.ts';

/** A program that the launcher starts, and does not leave behind. */
export interface Program {
  name: string;
  command: Command;
  /** Stands in its command line and in no other program's. */
  marker: string;
  /** Asks it to end cleanly, or makes it end at once. */
  signals: { stop: NodeJS.Signals; kill: NodeJS.Signals };
}

/** One that is to run for as long as the launcher does. */
export interface Part extends Program {
  /** It serves once a line of its output holds this. */
  readyText: string;
  /** Ends it when we die and the guard's standard input closes; our own programs notice that by themselves. */
  guard?: Command;
}

/** One that ends by itself, when its work is done. */
export interface Task extends Program {
  /** In each line of its output by which it says how far it is. */
  progressText: string;
}

/** What `pids.json` says of each process that runs; the next launcher ends those that a killed one left behind. */
export type Pids = Record<string, { pid: number; marker: string; stop: NodeJS.Signals }>;

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
const progressPeriodMs = 500;
const backoffMs = { least: 500, most: 10_000 };

/**
 * Starts parts one after the other, starts again what dies, and stops them in reverse order. Logs and `pids.json`
 * are kept in `folder`; `say` gets a line for people when a part dies.
 */
export class Supervisor {
  readonly #folder: string;
  readonly #say: (line: string) => void;
  readonly #programs = new Map<Program, Child | undefined>(); // in the order of their start
  readonly #guards = new Map<Part, Child>();
  readonly #stopping = new AbortController();

  constructor(folder: string, say: (line: string) => void) {
    this.#folder = folder;
    this.#say = say;
  }

  /** Starts `part` and returns the line by which it said that it is ready; PART_FAILED when it does not come so far. */
  async start(part: Part): Promise<string> {
    this.#refuseWhenStopping(part);
    if (part.guard) this.#guards.set(part, startChild(part.guard, this.#logOf(`${part.name}-guard`)));
    const child = this.#spawn(part);
    try {
      const line = await readyLine(child, part.readyText, readyTimeoutMs);
      this.#keep(part, child).catch((error: Error) => this.#say(`${part.name} stays down: ${error.message}`));
      return line;
    } catch (cause) {
      throw new LauncherError('PART_FAILED', `${part.name} did not start: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /**
   * Runs `task` to its end, however long that takes: as long as it is there, it works. `watch` gets the last line with its
   * progress, time and again. PART_FAILED when it ends otherwise than well.
   */
  async run(task: Task, watch: (line: string) => void): Promise<void> {
    this.#refuseWhenStopping(task);
    const child = this.#spawn(task);
    const period = () => sleep(progressPeriodMs, undefined, { ref: false });
    let ending: string | undefined;
    while (ending === undefined) {
      ending = await Promise.race([child.ended, period()]);
      const line = await lastLine(child, task.progressText);
      if (line !== undefined && !this.#stopping.signal.aborted) watch(line);
    }
    this.#note(task, undefined);
    if (ending !== 'exit code 0') throw await failureOf(child);
  }

  /** Stops every part and task, the last started first, each by a clean end if it manages that in 20 s. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const [part, child] of [...this.#programs].reverse()) {
      if (child === undefined) continue;
      child.process.kill(part.signals.stop);
      const timeout = setTimeout(() => {
        this.#say(`${part.name} does not end; killing it`);
        child.process.kill(part.signals.kill);
      }, stopTimeoutMs);
      await child.ended;
      clearTimeout(timeout);
      this.#note(part, undefined);
    }
    for (const guard of this.#guards.values()) {
      guard.process.kill('SIGKILL');
      await guard.ended;
    }
  }

  /** Kills every part and task at once and waits for none. */
  kill(): void {
    this.#stopping.abort();
    for (const [part, child] of this.#programs) child?.process.kill(part.signals.kill);
  }

  /** Waits for the end of `child` and starts its successor, until the supervisor stops; each failure doubles the wait. */
  async #keep(part: Part, child: Child): Promise<void> {
    let waitMs = backoffMs.least;
    for (let current = child; ; current = this.#spawn(part)) {
      const since = Date.now();
      const ending = await current.ended;
      if (this.#stopping.signal.aborted) return;
      this.#note(part, undefined);
      if (Date.now() - since > backoffMs.most) waitMs = backoffMs.least;
      this.#say(
        `${part.name} ended (${ending}) and is started again in ${waitMs / 1000} s; log: ${current.logFile}`,
      );
      await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#stopping.signal.aborted) return;
      waitMs = Math.min(backoffMs.most, waitMs * 2);
    }
  }

  #refuseWhenStopping({ name }: Program): void {
    if (this.#stopping.signal.aborted)
      throw new LauncherError('PART_FAILED', `${name} is not started any more`);
  }

  #spawn(program: Program): Child {
    const child = startChild(program.command, this.#logOf(program.name));
    this.#note(program, child);
    return child;
  }

  #logOf(name: string): string {
    return join(this.#folder, 'logs', `${name}.log`);
  }

  #note(program: Program, child: Child | undefined): void {
    this.#programs.set(program, child);
    const pids: Pids = {};
    for (const [{ name, marker, signals }, running] of this.#programs) {
      if (running?.process.pid !== undefined)
        pids[name] = { pid: running.process.pid, marker, stop: signals.stop };
    }
    writeFileSync(join(this.#folder, 'pids.json'), `${JSON.stringify(pids, null, 2)}\n`, { mode: 0o600 });
  }
}
