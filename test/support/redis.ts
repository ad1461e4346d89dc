import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { readyLine, startChild } from '../../apps/launcher/src/child.ts';
import { freePort } from '../../apps/launcher/src/ports.ts';

/** The redis-server in PATH; undefined where none is installed (Debian: `apt-get install redis-server`). */
export const redisBinary: string | undefined = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'redis-server'))
  .find((file) => existsSync(file));

/** A Redis of one test's own, which keeps nothing on disk; its log goes to `logFile`. */
export async function startRedis(logFile: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort(0);
  const child = startChild(
    {
      file: redisBinary!,
      args: ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--maxmemory-policy', 'noeviction'],
      env: { PATH: process.env['PATH'] },
    },
    logFile,
  );
  await readyLine(child, 'Ready to accept connections', 10_000);
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.process.kill('SIGTERM');
      await child.ended;
    },
  };
}
