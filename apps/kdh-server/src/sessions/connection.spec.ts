import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type KdhMessage,
  openSession,
  type ProtocolError,
  type TerminalMessage,
} from '@openkdh/terminal-protocol';
import { WebSocket, WebSocketServer } from 'ws';
import { TerminalConnection } from './connection.ts';
import { gatewayLimits } from './limits.ts';

const known = { terminalId: 't', serial: 'S', state: 'ACTIVE' as const, certificateRevoked: false };

const hello: TerminalMessage = {
  t: 'HELLO',
  b: {
    serial: 'S',
    model: 'test',
    hardware: '1',
    firmware: '1',
    capabilities: { tr34: ['2pass'], tr31: ['D'], algorithms: ['A128'], slots: 1 },
    bindState: null,
    nonceD: Buffer.alloc(16).toString('base64'),
    inventoryDigest: '0'.repeat(64),
  },
};
const welcome: KdhMessage = {
  t: 'WELCOME',
  b: {
    epoch: 1,
    serverTime: new Date().toISOString(),
    nonceK: Buffer.alloc(16).toString('base64'),
    pingMs: 25_000,
    maxFrameBytes: gatewayLimits.maxFrameBytes,
    policyVersion: 1,
  },
};

describe('a terminal on a connection of its own', () => {
  let server: WebSocketServer;
  beforeAll(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: gatewayLimits.maxFrameBytes });
    await once(server, 'listening');
  });
  afterAll(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });

  async function connected() {
    const refusals: ProtocolError[] = [];
    const accepted = once(server, 'connection');
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const closed = once(client, 'close').then(([code]) => code as number);
    const [socket] = (await accepted) as [WebSocket];
    const connection = new TerminalConnection(socket, known, '', (error) => refusals.push(error));
    await once(client, 'open');
    return { client, socket, connection, refusals, closed };
  }

  test('mailbox: a terminal that sends without waiting for answers is closed with 4501', async () => {
    const { client, connection, refusals, closed } = await connected();
    let handled = 0;
    connection.onMessage(() => {
      handled += 1;
      return new Promise(() => {}); // an answer that takes for ever
    });
    const frame = openSession('terminal').send(hello);
    for (let n = 0; n < gatewayLimits.mailboxFrames + 2; n++) client.send(frame);
    expect(await closed).toBe(4501);
    expect([handled, refusals.map((refusal) => refusal.message)]).toEqual([1, ['too many frames at once']]);
  });

  test('rate: too many pings do so as well', async () => {
    const { client, connection, refusals, closed } = await connected();
    connection.onMessage(async () => {});
    while (client.readyState === WebSocket.OPEN) {
      client.ping();
      await Promise.race([once(client, 'pong'), closed]);
    }
    expect(await closed).toBe(4501);
    expect(refusals.map((refusal) => refusal.message)).toEqual(['too many frames']);
  });

  test('rate: too many frames, each of them answered, end in BUSY and 4501', async () => {
    const { client, connection, refusals, closed } = await connected();
    connection.onMessage(async () => void connection.send(welcome));
    const session = openSession('terminal');
    client.send(session.send(hello));
    const [data] = (await once(client, 'message')) as [Buffer];
    const { id } = session.receive(String(data));
    for (let seq = 2; client.readyState === WebSocket.OPEN; seq++) {
      client.send(JSON.stringify({ v: 1, t: 'NOVELTY', id, sid: session.sid, seq, b: {} }));
      await once(client, 'message');
    }
    expect(await closed).toBe(4501);
    expect(refusals.at(-1)?.message).toBe('too many frames');
    expect(refusals.length).toBeGreaterThanOrEqual(gatewayLimits.framesPerTerminal.burst);
  });

  test('backpressure: a terminal that does not read is cut off once its share of memory is full', async () => {
    const { client, socket, connection, refusals } = await connected();
    let welcomed = false;
    connection.onMessage(async () => {
      connection.send(welcome);
      welcomed = true;
    });
    client.pause();
    client.send(openSession('terminal').send(hello));
    const until = performance.now() + 60_000;
    while (refusals.length === 0 && performance.now() < until) {
      for (let n = 0; welcomed && n < 1_000 && refusals.length === 0; n++) {
        connection.send({ t: 'QUERY', b: { inventory: true } });
      }
      expect(socket.bufferedAmount).toBeLessThan(gatewayLimits.bufferedBytes + 1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(refusals.map((refusal) => refusal.message)).toEqual(['does not read what it is sent']);
    expect(socket.readyState).not.toBe(socket.OPEN);
  });
});
