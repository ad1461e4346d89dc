import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** After the last test of a run: lets the watcher end the PostgreSQL, if one was started, and removes the folder. */
export default async function globalTeardown() {
  const folder = process.env.OPENKDH_TEST_FOLDER;
  const pidFile = join(folder, 'postgres', 'data', 'postmaster.pid');
  const guard = globalThis.openkdhTestGuard;
  if (existsSync(pidFile)) {
    const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
    guard.stdin.end();
    await once(guard, 'exit');
    while (existsSync(pidFile) && isAlive(pid)) await sleep(20); // removing the file is the last thing it does
  } else {
    guard.kill('SIGKILL');
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 }); // what a killed process left may still be ending
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
