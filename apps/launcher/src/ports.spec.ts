import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort, requirePort } from './ports.ts';

let holder: Server;
let held: number;

beforeAll(async () => {
  holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  held = (holder.address() as { port: number }).port;
});

afterAll(() => {
  holder.close();
});

test('a free port is given as asked, and again', async () => {
  const port = await freePort(0);
  expect(port).toBeGreaterThan(1023);
  expect(await freePort(port)).toBe(port);
  expect(await requirePort(port, '--port')).toBe(port);
});

test('any port is given once: whoever the first is for need not listen yet', async () => {
  const ports = await Promise.all(Array.from({ length: 300 }, () => freePort(0)));
  expect(new Set(ports).size).toBe(300);
});

test('in place of a busy port another is given', async () => {
  expect(await freePort(held)).not.toBe(held);
});

test('a busy port that is required is refused, with the way out', async () => {
  await expect(requirePort(held, '--port')).rejects.toMatchObject({
    code: 'PORT_REFUSED',
    message: `port ${held} of 127.0.0.1 is in use; choose another with --port PORT`,
  });
});

test('0 asks for any port', async () => {
  expect(await requirePort(0, '--port')).toBeGreaterThan(1023);
});
