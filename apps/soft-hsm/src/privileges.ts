import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SoftHsmError } from './errors.ts';

/** Who the process is to run as, by number. */
export interface User {
  uid: number;
  gid: number;
}

/**
 * Leaves all memory out of a core dump of this process, whatever its limits are: core(5), "Controlling which mappings
 * are written to the core dump". Returns whether that could be done; without Linux it cannot.
 */
export function leaveNoCoreDump(): boolean {
  try {
    writeFileSync('/proc/self/coredump_filter', '0', { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Started as root, becomes `user`, for good, and gives it the state folder; everything else that it reads must be
 * readable for that user. The change of uid also makes the process unreadable: not even the same user gets at its
 * memory then.
 */
export function becomeUser({ uid, gid }: User, stateFolder: string): void {
  if (process.getuid?.() !== 0)
    throw new SoftHsmError('SOFT_HSM_USAGE', '--user: only root can become somebody else');
  if (!existsSync(stateFolder)) mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  for (const path of [stateFolder, ...readdirSync(stateFolder).map((name) => join(stateFolder, name))]) {
    chownSync(path, uid, gid);
  }
  process.setgroups!([]);
  process.setgid!(gid);
  process.setuid!(uid);
}
