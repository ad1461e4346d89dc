import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from '@jest/globals';
import { freePort } from '../../apps/launcher/src/ports.ts';
import type { Part } from '../../apps/launcher/src/supervisor.ts';

/** The redis-server of this machine, if it has one. */
const program = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'redis-server'))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** `describe` where there is a redis-server or, in CI, must be; elsewhere its tests are skipped and say how to get it. */
export const describeWithRedis: (name: string, tests: () => void) => void =
  program || process.env['CI'] === 'true'
    ? describe
    : (name, tests) => describe.skip(`${name} (no redis-server: apt-get install redis-server)`, tests);

/** A Redis of a stack's own, that forgets everything when it ends. */
export async function redisPart(folder: string): Promise<{ part: Part; url: string }> {
  if (!program) throw new Error('there is no redis-server in PATH: apt-get install redis-server');
  const port = await freePort(0);
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return {
    url: `redis://127.0.0.1:${port}`,
    part: {
      name: 'redis',
      command: { file: program, args: [...args, '--maxmemory-policy', 'noeviction'], env: {}, cwd: folder },
      marker: folder,
      readyText: 'Ready to accept connections',
      signals: { stop: 'SIGTERM', kill: 'SIGKILL' },
    },
  };
}
