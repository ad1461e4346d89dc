import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { LauncherError } from './errors.ts';

const host = '127.0.0.1';

/** `wanted` if it can be listened on at 127.0.0.1, else a port that can; 0 asks for any. */
export async function freePort(wanted: number): Promise<number> {
  return listenOnce(wanted === 0 ? anyPort() : wanted).catch(() => freePort(0));
}

/** What `anyPort` has given: whoever a port is for may not listen on it yet. */
const given = new Set<number>();

/**
 * A port, each once, outside the range (32768 on Linux, 49152 elsewhere) from which the system takes those of outgoing
 * connections: one of those could take it between now and the start of whoever it is for.
 */
function anyPort(): number {
  const port = randomInt(15_000, 32_000);
  if (given.has(port)) return anyPort();
  given.add(port);
  return port;
}

/** `wanted`, or any free port for 0; one clear line when it can't be had. `option` is how the user chooses another. */
export async function requirePort(wanted: number, option: string): Promise<number> {
  try {
    return await (wanted === 0 ? freePort(0) : listenOnce(wanted));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason =
      code === 'EADDRINUSE' ? 'is in use' : code === 'EACCES' ? 'needs more rights' : `fails (${code})`;
    const message = `port ${wanted} of ${host} ${reason}; choose another with ${option} PORT`;
    throw new LauncherError('PORT_REFUSED', message, { cause });
  }
}

/** Listens on `port` for a moment and returns it. */
async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  server.listen({ port, host, exclusive: true });
  await once(server, 'listening'); // rejects with the error
  const { port: listened } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return listened;
}
