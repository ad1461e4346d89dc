import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Node, Stack } from '../support/stack.ts';

const TERMINALS = 3;

interface Ready {
  ready: boolean;
  checks: Record<string, string>;
}

describe('one node for each role', () => {
  let stack: Stack;
  let api: Node;
  let gateway: Node;
  let worker: Node;
  let sealer: Node;

  beforeAll(async () => {
    stack = await Stack.start({
      nodes: [
        { KDH_ROLES: 'api' },
        { KDH_ROLES: 'gateway' },
        { KDH_ROLES: 'worker' },
        { KDH_ROLES: 'sealer' },
      ],
    });
    [api, gateway, worker, sealer] = stack.nodes as unknown as [Node, Node, Node, Node];
    await stack.startFleet(TERMINALS, ['--kdh', gateway.terminalUrl]);
  });
  afterAll(() => stack?.stop());

  test('together they load a fleet, each its part', async () => {
    await stack.untilConfirmed(TERMINALS);
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    try {
      const { rows } = await client.query(
        `select type, actor from audit_event
         where type in ('attempt.ksn_reserved', 'attempt.dispatchable', 'attempt.sent') group by 1, 2 order by 1`,
      );
      expect(rows).toEqual([
        { type: 'attempt.dispatchable', actor: `node:${worker.name}` },
        { type: 'attempt.ksn_reserved', actor: `node:${worker.name}` },
        { type: 'attempt.sent', actor: `node:${gateway.name}` },
      ]);
      await stack.until('a checkpoint is signed', async () => {
        const signed = await client.query('select 1 from log_checkpoint');
        return signed.rowCount !== 0;
      });
    } finally {
      await client.end();
    }
  });

  test('only the gateway takes terminals', async () => {
    for (const node of stack.nodes) {
      const socket = connect(node.terminalPort, '127.0.0.1');
      const outcome = await once(socket, 'connect').then(
        () => 'listens',
        (error: NodeJS.ErrnoException) => error.code,
      );
      socket.destroy();
      expect([node.name, outcome]).toEqual([node.name, node === gateway ? 'listens' : 'ECONNREFUSED']);
    }
  });

  test('only the api has the operator routes; every node says whether it is ready', async () => {
    for (const node of stack.nodes) {
      const headers = { authorization: `Bearer ${stack.token}` };
      const list = await fetch(`${node.httpUrl}/api/v1/terminals`, { headers });
      expect([node.name, list.status]).toEqual([node.name, node === api ? 200 : 404]);
      const ready = async () => (await fetch(`${node.httpUrl}/api/v1/ready`)).json() as Promise<Ready>;
      await stack.until(`${node.name} is ready`, async () => (await ready()).ready);
      const checks = ['database', 'queue', 'hsm', ...(node === gateway ? ['terminals'] : [])];
      expect(Object.keys((await ready()).checks)).toEqual(checks);
    }
  });

  test('a role that does not exist is refused at start', async () => {
    await stack.stopPart(sealer.name);
    await expect(stack.startPart(sealer.name, { KDH_ROLES: 'sealer,cook' })).rejects.toThrow('KDH_ROLES');
    await stack.startPart(sealer.name);
  });
});
