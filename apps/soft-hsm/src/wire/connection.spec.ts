import { mkdtempSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { type AnswerMessage, serveConnection } from './connection.ts';
import { FrameReader, frame } from './frames.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A host on a real socket whose messages `answerMessage` answers. */
async function host(answerMessage: AnswerMessage) {
  const path = join(mkdtempSync(join(tmpdir(), 'connection-')), 's');
  let onEnd: ((reason: string | undefined) => void) | undefined;
  const endedBecause = new Promise<string | undefined>((resolve) => {
    onEnd = resolve;
  });
  const writes: number[] = [];
  let serverSide: Socket | undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    serverSide = socket;
    const write = socket.write.bind(socket) as Socket['write'];
    socket.write = ((bytes: Buffer) => {
      writes.push(bytes.length);
      return write(bytes);
    }) as Socket['write'];
    serveConnection(socket, answerMessage, (reason) => onEnd!(reason));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const socket = connect(path);
  closing.push(() => {
    socket.destroy();
    server.close();
  });
  const reader = new FrameReader();
  const answers: string[] = [];
  socket.on('data', (chunk) =>
    answers.push(...reader.push(chunk).map((message) => message.toString('latin1'))),
  );
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return {
    socket,
    answers,
    endedBecause,
    writes,
    ended,
    serverSocket: () => serverSide!,
    async received(count: number) {
      while (answers.length < count) await new Promise((resolve) => socket.once('data', resolve));
      return answers;
    },
  };
}

const send = (...texts: string[]) => frame(texts.map((text) => Buffer.from(text)));

test('answers of one tick leave in one write', async () => {
  const { socket, received, writes } = await host((message) => message);
  socket.write(send('a', 'b', 'c'));
  expect(await received(3)).toEqual(['a', 'b', 'c']);
  expect(writes).toEqual([9]);
});

test('a command that takes long does not hold up the ones behind it', async () => {
  let finish: ((answer: Buffer) => void) | undefined;
  const slow = new Promise<Buffer>((resolve) => {
    finish = resolve;
  });
  const { socket, received } = await host((message) => (message.toString() === 'slow' ? slow : message));
  socket.write(send('slow', 'quick'));
  expect(await received(1)).toEqual(['quick']);
  finish!(Buffer.from('at last'));
  expect(await received(2)).toEqual(['quick', 'at last']);
});

test('a host that closes its side still gets its answers', async () => {
  const { socket, answers, ended, endedBecause } = await host(
    (message) => new Promise((resolve) => setTimeout(() => resolve(message), 20)),
  );
  socket.end(send('a', 'b'));
  await ended;
  expect(answers).toEqual(['a', 'b']);
  expect(await endedBecause).toBeUndefined();
});

test('a message that cannot be answered ends the connection, after the answers before it', async () => {
  const { socket, answers, ended, endedBecause } = await host((message) =>
    message.length < 6 ? undefined : message,
  );
  const before = Array.from({ length: 20 }, (_, n) => `hello ${n}`);
  socket.write(send(...before, 'x', 'not read any more', 'nor this'));
  await ended;
  expect(answers).toEqual(before);
  expect(await endedBecause).toBe('a message of 1 bytes is too short to be answered');
});

test('a host with many commands does not hold up another one', async () => {
  const order: string[] = [];
  const one = await host((message) => {
    if (order.push(message.toString()) === 1) other.socket.write(send('other'));
    return message;
  });
  const other = await host((message) => {
    order.push(message.toString());
    return message;
  });
  await new Promise((resolve) => other.socket.once('connect', resolve));
  const commands = Array.from({ length: 200 }, (_, n) => `command ${n}`);
  one.socket.write(send(...commands));
  expect(await one.received(200)).toEqual(commands);
  expect(await other.received(1)).toEqual(['other']);
  expect(order.at(-1)).toBe('command 199');
});

test('what waits is not worked on any more when the connection is ended', async () => {
  const worked: string[] = [];
  const { socket, ended, serverSocket } = await host((message) => {
    worked.push(message.toString());
    serverSocket().destroy();
    return message;
  });
  const commands = Array.from({ length: 20 }, (_, n) => `command ${n}`);
  socket.write(send(...commands));
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  expect(worked).toEqual(['command 0']);
});

test('a host that sends without reading is not read any more, and loses nothing', async () => {
  const big = 'x'.repeat(30_000);
  const { socket, answers, received } = await host((message) => message);
  socket.pause();
  for (let n = 0; n < 200; n += 1) socket.write(send(big));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(socket.writableLength).toBeGreaterThan(0); // the other side has stopped reading
  socket.resume();
  await received(200);
  expect(answers.every((answer) => answer === big)).toBe(true);
});
