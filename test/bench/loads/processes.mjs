import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second (USER_HZ). proc(5). */
const TICKS_PER_SECOND = 100;

/** CPU seconds that `pid` has used so far, user and system, its ended children included. */
export function cpuSecondsOf(pid) {
  // utime, stime, cutime and cstime, proc(5) fields 14 to 17.
  return (
    statOf(pid)
      .slice(11, 15)
      .reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
  );
}

/** `pid` and the processes that it has started: PostgreSQL has one for each connection. */
export function familyOf(pid) {
  const children = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && Number(statOf(name)[1]) === pid,
  );
  return [pid, ...children.map(Number)];
}

/**
 * Fields 3 and on of /proc/PID/stat: the command name before them may hold spaces. None of a process that has ended
 * meanwhile; its time is then in that of its parent.
 */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** CPU seconds of named processes, between two calls of `lap`. */
export class CpuMeter {
  #families;
  #last;

  /** `pids`: the first process of each part by its name. */
  constructor(pids) {
    this.#families = pids;
    this.lap();
  }

  /** CPU seconds of each part since the last lap. */
  lap() {
    const now = Object.fromEntries(
      Object.entries(this.#families).map(([name, pid]) => [
        name,
        familyOf(pid).reduce((sum, one) => sum + cpuSecondsOf(one), 0),
      ]),
    );
    const last = this.#last ?? now;
    this.#last = now;
    return Object.fromEntries(Object.entries(now).map(([name, seconds]) => [name, seconds - last[name]]));
  }
}
