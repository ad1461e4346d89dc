import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { gatewayLimits } from '../../apps/kdh-server/src/sessions/limits.ts';
import { enrolTerminal, HandDrivenTerminal } from '../support/hand-driven-terminal.ts';
import { Stack } from '../support/stack.ts';

const metricsToken = 'metrics-and-nothing-else';
/** Without a look at the certificate of the other side. */
const trusting = { rejectUnauthorized: false };

describe('the terminal listener', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start({ serverEnvironment: { KDH_METRICS_TOKEN: metricsToken } });
  });
  afterAll(() => stack?.stop());

  /** Connections that were cut before a word was heard from them. */
  async function cutUnheard(): Promise<number> {
    const headers = { authorization: `Bearer ${metricsToken}` };
    const metrics = await (await fetch(`${stack.httpUrl}/api/v1/metrics`, { headers })).text();
    return Number(/^kdh_terminals_refused_total\{code="CONNECTION_LIMIT"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  }

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
    const above = 20;
    const before = await cutUnheard();
    const silent = Array.from({ length: gatewayLimits.handshakesInFlightPerAddress + above }, () =>
      connect(stack.nodes[0].terminalPort, '127.0.0.1')
        .on('error', () => {}) // 'close' follows
        .resume(),
    );
    // A handshake that has had its time ends otherwise: it is no connection that was cut.
    await stack.until('those above the limit are cut', async () => (await cutUnheard()) === before + above);
    await stack.until('the others have had their time', () => silent.every(({ destroyed }) => destroyed));
    expect(await cutUnheard()).toBe(before + above);
    const after = await HandDrivenTerminal.welcomed(terminal, stack.terminalUrl);
    after.socket.terminate();
  });

  test('a terminal that comes back without pause is told to wait; another is not', async () => {
    const restless = await enrolTerminal(stack, 'GATEWAY-RESTLESS');
    const calm = await enrolTerminal(stack, 'GATEWAY-CALM');
    const { burst, perSecond } = gatewayLimits.upgradesPerTerminal;
    const start = performance.now();
    const statuses = await Promise.all(
      Array.from({ length: 3 * burst }, async () => {
        const connection = new HandDrivenTerminal(restless, stack.terminalUrl);
        const { status } = await connection.upgrade;
        connection.socket.terminate();
        return status;
      }),
    );
    const seconds = (performance.now() - start) / 1_000;
    const admitted = statuses.filter((status) => status === 101).length;
    expect(admitted).toBeGreaterThanOrEqual(burst);
    expect(admitted).toBeLessThanOrEqual(burst + seconds * perSecond);
    expect(statuses.filter((status) => status === 503)).toHaveLength(3 * burst - admitted);
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
  const perSecond = 1;
  let stack: Stack;

  beforeAll(async () => {
    const KDH_ADDRESS_CONNECTIONS_PER_SECOND = String(perSecond);
    stack = await Stack.start({ serverEnvironment: { KDH_ADDRESS_CONNECTIONS_PER_SECOND } });
  });
  afterAll(() => stack?.stop());

  test('above it connections are cut, and it recovers', async () => {
    const terminal = await enrolTerminal(stack, 'GATEWAY-ADDRESS');
    const burst = perSecond * gatewayLimits.addressBurstSeconds;
    /** Whether a handshake is finished; who is cut does not get as far. */
    const isAdmitted = () =>
      new Promise<boolean>((resolve) => {
        const socket = connectTls({ host: '127.0.0.1', port: stack.nodes[0].terminalPort, ...trusting });
        socket.once('secureConnect', () => {
          resolve(true);
          socket.destroy();
        });
        socket.once('error', () => {}); // 'close' follows
        socket.once('close', () => resolve(false));
      });
    const start = performance.now();
    const outcomes = await Promise.all(Array.from({ length: 5 * burst }, isAdmitted));
    const seconds = (performance.now() - start) / 1_000;
    const admitted = outcomes.filter(Boolean).length;
    expect(admitted).toBeGreaterThanOrEqual(burst);
    expect(admitted).toBeLessThanOrEqual(burst + seconds * perSecond);
    await stack.until('it recovers', async () => {
      const after = new HandDrivenTerminal(terminal, stack.terminalUrl);
      const { status } = await after.upgrade.finally(() => after.socket.terminate());
      return status === 101;
    });
  });
});
