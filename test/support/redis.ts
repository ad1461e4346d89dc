import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Part } from '../../apps/launcher/src/supervisor.ts';
import { ownPort } from './ports.ts';

/** The redis-server of this machine, if it has one. */
export const redisServer = (process.env['PATH'] ?? '')
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

/** A Redis of a stack's own, that forgets everything when it ends. */
export async function redisPart(folder: string): Promise<{ part: Part; url: string }> {
  if (!redisServer) throw new Error('there is no redis-server in PATH: apt-get install redis-server');
  const port = await ownPort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return {
    url: `redis://127.0.0.1:${port}`,
    part: {
      name: 'redis',
      command: {
        file: redisServer,
        args: [...args, '--maxmemory-policy', 'noeviction'],
        env: {},
        cwd: folder,
      },
      marker: folder,
      readyText: 'Ready to accept connections',
      signals: { stop: 'SIGTERM', kill: 'SIGKILL' },
    },
  };
}
