import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { withWipedReads } from './wiped-reads.ts';

const server = createServer({ allowHalfOpen: true });
const chunks: Buffer[] = [];
let accepted: Socket;
let served: Socket;
let client: Socket;

beforeEach(async () => {
  server.listen(join(mkdtempSync(join(tmpdir(), 'wiped-')), 's'));
  await once(server, 'listening');
  const connection = once(server, 'connection') as Promise<[Socket]>;
  client = connect({ path: server.address() as string, allowHalfOpen: true });
  [accepted] = await connection;
  served = withWipedReads(accepted, (chunk) => chunks.push(chunk));
});
afterEach(async () => {
  client.destroy();
  served.destroy();
  chunks.length = 0;
  if (server.listening) await new Promise((resolve) => server.close(resolve));
});

/** Sends it, and waits until it has been taken. */
async function send(bytes: string): Promise<void> {
  const before = chunks.length;
  client.write(bytes);
  while (chunks.length === before) await new Promise(setImmediate);
}

test('all reads go into one buffer, from its start: what is read is over what was read before', async () => {
  await send('the first passphrase');
  expect(String(chunks[0])).toBe('the first passphrase');
  await send('another');
  expect(String(chunks[1])).toBe('another');
  expect(chunks[1]!.buffer).toBe(chunks[0]!.buffer);
  expect(String(chunks[0])).toBe('anotherst passphrase');
});

test('a peer that has said all is still answered', async () => {
  served.on('end', () => served.end('an answer'));
  client.end('a question');
  expect(await text(client)).toBe('an answer');
});

test('its server knows when it is closed', async () => {
  const closed = once(server, 'close');
  server.close();
  served.destroy();
  await closed;
  expect(accepted.destroyed).toBe(true);
});
