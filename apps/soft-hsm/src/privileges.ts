import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SoftHsmError } from './errors.ts';

/** Who the process is to run as, by number. */
export interface User {
  uid: number;
  gid: number;
}

/**
 * Started as root, becomes `user`, for good, and gives it the state folder; everything else that it reads must be
 * readable for that user. The change of uid also makes the process unreadable: not even the same user gets at its
 * memory then, and it leaves no core dump.
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
