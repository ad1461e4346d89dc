import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Report } from '../../apps/kdh-server/src/audit/reports/report.ts';
import type { Bdk } from '../../apps/kdh-server/src/keys/bdks.schemas.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import type {
  OperatorRecord,
  OperatorWithToken,
} from '../../apps/kdh-server/src/operators/operators.schemas.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 2;
const SPAN = 'from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z';
const DAY = 24 * 3600 * 1000;

describe('a BDK is destroyed by two people, and tells how long its records are kept', () => {
  let stack: Stack;
  let client: pg.Client;
  let bdk: Bdk;
  let second: OperatorWithToken;
  const rows = async <Row>(text: string, parameters: unknown[] = []) =>
    (await client.query(text, parameters)).rows as Row[];
  const reason = 'end of its cryptoperiod';
  /** Status and code of the answer. */
  const act = async (path: string, token = stack.token) => {
    const response = await fetch(`${stack.httpUrl}/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ reason }),
    });
    return [response.status, ((await response.json()) as { code?: string }).code];
  };
  const report = (name: string) => stack.api.get<Report>(`/reports/${name}?${SPAN}`);
  /** Of `bdk` in the report on retention. */
  const line = async () => {
    const { columns, rows } = await report('retention');
    const found = rows.find(([name]) => name === bdk.name)!;
    return Object.fromEntries(columns.map((column, index) => [column, found[index]]));
  };

  beforeAll(async () => {
    stack = await Stack.start();
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    await stack.startFleet(TERMINALS);
    await stack.untilConfirmed(TERMINALS);
    bdk = (await stack.api.get<Bdk[]>('/bdks')).find(({ scheme }) => scheme === 'AES')!;
    second = await stack.api.post<OperatorWithToken>('/operators', { name: 'Ada Second', role: 'operator' });
    await stack.stopPart('terminal-sim');
  }, 120_000);
  afterAll(async () => {
    await client?.end();
    await stack?.stop();
  });

  test('not one that is in use, and not by one person', async () => {
    const ask = `/bdks/${bdk.id}/ask-destruction`;
    const destroy = `/bdks/${bdk.id}/destroy`;
    expect(await act(ask)).toEqual([409, 'BDK_NOT_FROZEN']);

    const [terminal] = await rows<{ id: string }>('select id from terminal limit 1');
    const load = await stack.api.post<Load>('/loads', { terminalId: terminal!.id, reason: 'repaired' });
    const state = async () => (await stack.api.get<Load>(`/loads/${load.id}`)).attempts[0]!.state;
    await stack.until('its keys are derived', async () => (await state()) === 'DISPATCHABLE');
    await act(`/bdks/${bdk.id}/freeze`);
    expect(await act(ask)).toEqual([409, 'BDK_IN_USE']);
    await act(`/terminals/${terminal!.id}/revoke`); // cancels what was not sent

    expect(await act(destroy, second.token)).toEqual([409, 'BDK_DESTRUCTION_UNASKED']);
    expect(await act(ask)).toEqual([201, undefined]);
    expect(await act(destroy)).toEqual([403, 'SECOND_PERSON']);
    expect(await act(`/bdks/${bdk.id}/release`)).toEqual([201, undefined]);
    await act(`/bdks/${bdk.id}/freeze`);
    expect(await act(destroy, second.token)).toEqual([409, 'BDK_DESTRUCTION_UNASKED']); // the release took it back
    await expect(
      rows(
        `update bdk set state = 'DESTROYED', key_block = null, key_block_sha256 = '', destroyed_at = now(),
           destruction_asked_by = 'operator:A', destroyed_by = 'operator:A' where id = $1`,
        [bdk.id],
      ),
    ).rejects.toThrow('bdk_destroyed_by_two');
    expect(await line()).toMatchObject({ state: 'FROZEN', terminals: '1', keep_until: null, may_go: 'no' });
  });

  test('its block is erased for good; the report names both people', async () => {
    const [{ keyBlock }] = (await rows('select key_block as "keyBlock" from bdk where id = $1', [
      bdk.id,
    ])) as [{ keyBlock: string }];
    expect(await act(`/bdks/${bdk.id}/ask-destruction`)).toEqual([201, undefined]);
    expect(await act(`/bdks/${bdk.id}/destroy`, second.token)).toEqual([201, undefined]);
    const [found] = await rows('select * from bdk where id = $1', [bdk.id]);
    expect(found).toMatchObject({ state: 'DESTROYED', key_block: null });
    expect(JSON.stringify(found)).not.toContain(keyBlock);
    for (const what of ['release', 'freeze', 'ask-destruction', 'destroy'])
      expect([what, ...(await act(`/bdks/${bdk.id}/${what}`))]).toEqual([what, 409, 'BDK_DESTROYED']);
    const destroyed = (await report('destruction')).rows.filter(([what]) => what!.startsWith('BDK'));
    expect(destroyed.map(([what, , name, identification]) => [what, name, identification])).toEqual([
      ['BDK destroyed', bdk.name, expect.stringMatching(`^KCV ${bdk.kcv}, block SHA-256 [0-9A-F]{64}, at `)],
      ['BDK destroyed: asked by', bdk.name, 'operator:operator'],
      ['BDK destroyed: done by', bdk.name, 'operator:Ada Second'],
    ]);
  });

  test('its records are kept while a terminal holds a key, and two years from then on', async () => {
    expect(await line()).toMatchObject({ state: 'DESTROYED', terminals: '1', keep_until: null });
    const [last] = await rows<{ id: string }>(`select id from terminal where state = 'ACTIVE'`);
    await act(`/terminals/${last!.id}/revoke`);
    const kept = await line();
    expect(kept).toMatchObject({ terminals: '0', may_go: 'no' });
    const [{ revokedAt }] = (await rows(
      'select max(revoked_at) as "revokedAt" from terminal_certificate where terminal_id = $1',
      [last!.id],
    )) as [{ revokedAt: Date }];
    expect(kept['keep_until']).toBe(new Date(revokedAt.getTime() + 730 * DAY).toISOString());
  });

  test('so is the name of whoever did something to it', async () => {
    await act(`/operators/${second.id}/revoke`);
    expect(await act(`/operators/${second.id}/erase-name`)).toEqual([409, 'OPERATOR_NAME_KEPT']);
    // As if two years had passed since the last of its keys was gone.
    await rows(`update bdk set destroyed_at = destroyed_at - interval '731 days' where id = $1`, [bdk.id]);
    await rows(`update terminal_certificate set revoked_at = revoked_at - interval '731 days'`);
    expect(await line()).toMatchObject({ may_go: 'yes' });
    expect(await act(`/operators/${second.id}/erase-name`)).toEqual([201, undefined]);
    const operators = await stack.api.get<OperatorRecord[]>('/operators');
    expect(operators.find(({ id }) => id === second.id)).toMatchObject({ name: null });
  });
});
