import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The command line of a process; '' when there is none, also for one that has ended and only waits to be reaped.
 * A process id alone proves nothing: after a restart of the machine it may belong to somebody else's process.
 */
export function commandOf(pid: number): string {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    } catch {
      return '';
    }
  }
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

/** Whether `pid` runs with `marker` (a path of ours) in its command line. */
export function runs(pid: number, marker: string): boolean {
  return commandOf(pid).includes(marker);
}

/** Waits until `pid` no longer runs with `marker`; false when it still does after `timeoutMs`. */
export async function gone(pid: number, marker: string, timeoutMs: number): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; runs(pid, marker); await sleep(25)) {
    if (Date.now() > deadline) return false;
  }
  return true;
}
