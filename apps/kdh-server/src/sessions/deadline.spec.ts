import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Deadline } from './deadline.ts';

describe('a time in which something must come from a socket', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A socket of this thread, and where to connect to it. */
  async function listening() {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close());
    const accepted = once(server, 'connection').then(([socket]) => {
      closing.push(() => socket.destroy());
      return socket as Socket;
    });
    return { port: (server.address() as AddressInfo).port, accepted };
  }

  test('nothing came: it passes', async () => {
    await new Promise<void>((passed) => new Deadline().start(1, passed));
  });

  test('what came in time counts, though this thread was busy until long after it', async () => {
    const { port, accepted } = await listening();
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const peer = new Worker(
      `const { connect } = require('node:net');
       const { flags, port } = require('node:worker_threads').workerData;
       const socket = connect(port, '127.0.0.1', () => {
         Atomics.wait(flags, 0, 0);
         socket.write('pong', () => { Atomics.store(flags, 1, 1); Atomics.notify(flags, 1); });
       });`,
      { eval: true, workerData: { flags, port } },
    );
    closing.push(() => peer.terminate());
    const socket = await accepted;
    const deadline = new Deadline();
    const outcome = new Promise((resolve) => {
      socket.once('data', () => {
        deadline.clear();
        setImmediate(() => resolve('read')); // after what would have passed
      });
      deadline.start(1, () => resolve('passed'));
    });
    Atomics.store(flags, 0, 1);
    Atomics.notify(flags, 0);
    Atomics.wait(flags, 1, 0); // this thread reads nothing until the peer has written
    for (const end = performance.now() + 5; performance.now() < end; ); // and until the time is over
    expect(await outcome).toBe('read');
  });

  test('it can be cleared, and started anew', async () => {
    const deadline = new Deadline();
    const calls: string[] = [];
    deadline.start(1, () => calls.push('cleared'));
    deadline.clear();
    deadline.start(1, () => calls.push('first'));
    await new Promise<void>((passed) =>
      deadline.start(1, () => {
        calls.push('second');
        passed();
      }),
    );
    expect(calls).toEqual(['second']);
  });
});
