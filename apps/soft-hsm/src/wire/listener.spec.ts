import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { listenOnUnixSocket } from './listener.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
const newFolder = () => mkdtempSync(join(tmpdir(), 'listener-')); // mode 0700

async function listen(path: string): Promise<Server> {
  const server = await listenOnUnixSocket(path, (socket, id) => {
    socket.on('error', () => {}); // the probe for a stale socket hangs up at once
    socket.end(id);
  });
  servers.push(server);
  return server;
}

/** What the server says to a host that connects. */
async function greetingAt(path: string): Promise<string> {
  const socket = connect(path);
  let greeting = '';
  for await (const chunk of socket) greeting += chunk;
  return greeting;
}

describe('listenOnUnixSocket', () => {
  test('serves hosts of this machine, with mode 0600', async () => {
    const path = join(newFolder(), 'host.sock');
    await listen(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await greetingAt(path)).toBe('local');
  });

  test('refuses a folder that others can enter', async () => {
    const folder = newFolder();
    for (const mode of [0o750, 0o701, 0o777]) {
      chmodSync(folder, mode);
      await expect(listen(join(folder, 's'))).rejects.toMatchObject({ code: 'SOFT_HSM_FILE' });
    }
  });

  test('refuses a folder that is none', async () => {
    await expect(listen(join(newFolder(), 'missing', 's'))).rejects.toMatchObject({ code: 'SOFT_HSM_FILE' });
  });

  test('refuses a path that does not fit a socket address', async () => {
    const folder = join(newFolder(), 'x'.repeat(100));
    mkdirSync(folder, { mode: 0o700 });
    await expect(listen(join(folder, 's'))).rejects.toMatchObject({ code: 'SOFT_HSM_ADDRESS' });
  });

  test('refuses a socket on which somebody listens, and leaves it alone', async () => {
    const path = join(newFolder(), 'host.sock');
    await listen(path);
    await expect(listen(path)).rejects.toMatchObject({
      code: 'SOFT_HSM_ADDRESS',
      message: `another process listens on ${path}`,
    });
    expect(await greetingAt(path)).toBe('local');
  });

  test('replaces the socket of a process that was killed', async () => {
    const path = join(newFolder(), 'host.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(statSync(path).isSocket()).toBe(true);
    await listen(path);
    expect(await greetingAt(path)).toBe('local');
  });

  test('never removes what is not a socket', async () => {
    const path = join(newFolder(), 'host.sock');
    writeFileSync(path, 'precious');
    await expect(listen(path)).rejects.toMatchObject({ code: 'SOFT_HSM_ADDRESS' });
    expect(statSync(path).isFile()).toBe(true);
  });
});
