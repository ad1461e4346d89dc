import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second (USER_HZ). proc(5). */
const TICKS_PER_SECOND = 100;

/** CPU seconds that `pid` has used so far, user and system, its ended children included. */
export function cpuSecondsOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // Fields after the command name, which may hold spaces: utime stime cutime cstime are numbers 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/** `pid` and the processes that it has started: PostgreSQL has one for each connection. */
export function familyOf(pid) {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
    } catch {
      return false; // ended meanwhile
    }
  });
  return [pid, ...children.map(Number)];
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
