import { once } from 'node:events';
import { createServer } from 'node:net';
import { LauncherError } from './errors.ts';

/** `wanted` if it can be listened on at 127.0.0.1, else a port that can. 0 wants none in particular. */
export async function freePort(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0))!;
}

/** Refuses with one line when `port` of `host` cannot be listened on; `option` is how the user chooses another. */
export async function requirePort(port: number, host: string, option: string): Promise<void> {
  if ((await tryPort(port, host)) === undefined) {
    const message = `port ${port} of ${host} is in use or may not be used; choose another with ${option} PORT`;
    throw new LauncherError('PORT_BUSY', message);
  }
}

/** The port that was listened on and is free again; undefined when that is not possible. */
async function tryPort(port: number, host = '127.0.0.1'): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ port, host, exclusive: true });
    await once(server, 'listening');
  } catch {
    return undefined;
  }
  const { port: listened } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return listened;
}
