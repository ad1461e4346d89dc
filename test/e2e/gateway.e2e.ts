import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { gatewayLimits } from '../../apps/kdh-server/src/sessions/limits.ts';
import { enrolTerminal, HandDrivenTerminal } from '../support/hand-driven-terminal.ts';
import { Stack } from '../support/stack.ts';

describe('the terminal listener', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start();
  }, 60_000);
  afterAll(() => stack?.stop());

  test('a resumed TLS session brings a revoked terminal no further than a new one', async () => {
    const terminal = await enrolTerminal(stack, 'GATEWAY-RESUMED');
    const first = await HandDrivenTerminal.welcomed(terminal, stack.terminalUrl);
    const session = first.tls!.getSession()!;
    first.socket.close();
    await first.closed();

    const resumed = await HandDrivenTerminal.welcomed(terminal, stack.terminalUrl, { session });
    expect(resumed.tls!.isSessionReused()).toBe(true);
    const next = resumed.tls!.getSession()!;
    await stack.api.post(`/terminals/${terminal.id}/revoke`, { reason: 'stolen' });
    expect(await resumed.closed()).toBe(4204);

    const barred = new HandDrivenTerminal(terminal, stack.terminalUrl, { session: next });
    expect(await barred.upgrade).toMatchObject({ status: 403, code: 'CERT_REVOKED', number: 2004 });
    expect(barred.tls!.isSessionReused()).toBe(true); // it was not TLS that refused
  });

  test('F26: silent connections from one address are cut above the limit, and after the handshake time', async () => {
    const terminal = await enrolTerminal(stack, 'GATEWAY-FLOODED');
    const { terminalPort } = stack.nodes[0];
    const silent: Socket[] = [];
    for (let n = 0; n < gatewayLimits.handshakesInFlightPerAddress + 20; n++) {
      const socket = connect(terminalPort, '127.0.0.1').on('error', () => {}); // 'close' follows
      silent.push(socket);
      await once(socket, 'connect');
    }
    const open = () => silent.filter((socket) => !socket.destroyed).length;
    for (const socket of silent) socket.resume();
    await stack.until(
      'those above the limit are cut',
      () => open() <= gatewayLimits.handshakesInFlightPerAddress,
    );
    expect(open()).toBeGreaterThan(0);
    await stack.until('the others have had their time', () => open() === 0);
    const after = await HandDrivenTerminal.welcomed(terminal, stack.terminalUrl);
    after.socket.terminate();
  });

  test('a terminal that comes back without pause is told to wait; another is not', async () => {
    const restless = await enrolTerminal(stack, 'GATEWAY-RESTLESS');
    const calm = await enrolTerminal(stack, 'GATEWAY-CALM');
    const statuses: number[] = [];
    while (!statuses.includes(503) && statuses.length < 3 * gatewayLimits.upgradesPerTerminal.burst) {
      const connection = new HandDrivenTerminal(restless, stack.terminalUrl);
      statuses.push((await connection.upgrade).status);
      connection.socket.terminate();
    }
    expect(statuses.filter((status) => status === 101).length).toBeGreaterThanOrEqual(
      gatewayLimits.upgradesPerTerminal.burst,
    );
    expect(statuses.at(-1)).toBe(503);
    const other = new HandDrivenTerminal(calm, stack.terminalUrl);
    expect(await other.upgrade).toEqual({ status: 101 });
    other.socket.terminate();
  });

  test('a node that is stopped sends its terminals away, each at a time of its own', async () => {
    const connections: HandDrivenTerminal[] = [];
    for (const name of ['A', 'B', 'C', 'D']) {
      const terminal = await enrolTerminal(stack, `GATEWAY-DRAINED-${name}`);
      connections.push(await HandDrivenTerminal.welcomed(terminal, stack.terminalUrl));
    }
    const stopped = stack.stopPart('kdh-server');
    const kicks = await Promise.all(
      connections.map(async (connection) => (await connection.message('KICK')).b),
    );
    expect(await Promise.all(connections.map((connection) => connection.closed()))).toEqual([
      1012, 1012, 1012, 1012,
    ]);
    expect(kicks.map(({ code }) => code)).toEqual([5001, 5001, 5001, 5001]);
    for (const { retryAfterMs } of kicks) expect(retryAfterMs).toBeLessThan(10_000);
    expect(new Set(kicks.map(({ retryAfterMs }) => retryAfterMs)).size).toBeGreaterThan(1);
    expect(await stopped).toBe('exit code 0');
    await stack.startPart('kdh-server');
    expect((await stack.status()).terminals.connected).toBe(0);
  });
});

describe('the rate of connections from one address', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start({ serverEnvironment: { KDH_ADDRESS_CONNECTIONS_PER_SECOND: '1' } });
  }, 60_000);
  afterAll(() => stack?.stop());

  test('above it connections are cut, and it recovers', async () => {
    const terminal = await enrolTerminal(stack, 'GATEWAY-ADDRESS');
    let admitted = 0;
    for (let n = 0; n < 3 * gatewayLimits.addressBurstSeconds; n++) {
      const socket = connect(stack.nodes[0].terminalPort, '127.0.0.1').on('error', () => {});
      socket.resume();
      const cut = await Promise.race([once(socket, 'close').then(() => true), sleep(100, false)]);
      if (!cut) admitted += 1;
      socket.destroy();
    }
    expect(admitted).toBeGreaterThanOrEqual(gatewayLimits.addressBurstSeconds);
    expect(admitted).toBeLessThan(2 * gatewayLimits.addressBurstSeconds);
    await sleep(2_000);
    const after = new HandDrivenTerminal(terminal, stack.terminalUrl);
    expect(await after.upgrade).toEqual({ status: 101 });
    after.socket.terminate();
  });
});
