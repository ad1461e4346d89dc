import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Bdk } from '../../apps/kdh-server/src/keys/bdks.schemas.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import { acknowledgedLoads, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 3;

/** Where a person must decide: how many keys a BDK may give, and for whom. */
describe('a fleet whose BDK may give two keys', () => {
  let stack: Stack;
  let client: pg.Client;
  let scarce: Bdk;
  let plenty: Bdk;
  let profileId: string;
  const rows = async <Row>(text: string, parameters: unknown[] = []) =>
    (await client.query(text, parameters)).rows as Row[];
  const bdk = async ({ id }: Bdk) => (await stack.api.get<Bdk[]>('/bdks')).find((one) => one.id === id)!;
  const ended = async (reasonCode: string) =>
    rows<{ id: string; terminalId: string }>(
      `select id, terminal_id as "terminalId" from attempt where kind = 'KEYS' and reason_code = $1`,
      [reasonCode],
    );
  const stateOf = async ({ id }: Load) => (await stack.api.get<Load>(`/loads/${id}`)).attempts[0]!;
  const profileOf = async (name: string, bdks: Bdk[]) =>
    (
      await stack.api.post<{ id: string }>('/profiles', {
        name,
        slots: bdks.map(({ id }, n) => ({
          slot: `S${n}`,
          bdkId: id,
          algorithm: 'A128',
          keyBlockVersion: 'D',
        })),
      })
    ).id;
  const makeBdk = (name: string, more: object = {}) =>
    stack.api.post<Bdk>('/bdks', { name, scheme: 'AES', algorithm: 'A128', ...more });

  beforeAll(async () => {
    stack = await Stack.start();
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    plenty = await makeBdk('plenty');
    scarce = await makeBdk('scarce', { maxDevices: 2, segment: { market: 'FR', institution: 'Bank' } });
    profileId = await profileOf('both', [plenty, scarce]);
    await stack.startFleet(TERMINALS, [], profileId);
    await stack.until(
      'every load has ended',
      async () => {
        const { loads } = await stack.status();
        return loads.confirmed + loads.failed === TERMINALS;
      },
      60_000,
    );
  }, 120_000);
  afterAll(async () => {
    await client?.end();
    await stack?.stop();
  });

  test('two terminals get their keys, the third is refused; no KSN of the other BDK is spent on it', async () => {
    expect(await ended('KSN_SPACE_EXHAUSTED')).toHaveLength(1);
    expect((await stack.status()).loads.confirmed).toBe(2);
    expect(await bdk(scarce)).toMatchObject({
      nextDevice: 3,
      maxDevices: 2,
      segment: { market: 'FR', institution: 'Bank' },
    });
    expect((await bdk(plenty)).nextDevice).toBe(3);
  });

  test('the history has the warning, once, before the refusal', async () => {
    const events = await rows<{ type: string; body: { id?: string } }>(
      `select type, body from audit_event
       where type = 'bdk.ksn-space-low' or body ->> 'reasonCode' = 'KSN_SPACE_EXHAUSTED' order by id`,
    );
    expect(events.map(({ type }) => type)).toEqual(['bdk.ksn-space-low', 'attempt.failed']);
    expect(events[0]!.body).toEqual({ id: scarce.id, left: 0, maxDevices: 2 });
  });

  test('a person raises the number, with a reason; not below what was given, nor beyond the space', async () => {
    const change = (maxDevices: number) =>
      stack.api.post<Bdk>(`/bdks/${scarce.id}/max-devices`, { maxDevices, reason: 'second lot' });
    await expect(change(1)).rejects.toThrow('409');
    await expect(change(2 ** 32 - 1)).rejects.toThrow('409');
    expect(await change(10)).toMatchObject({ nextDevice: 3, maxDevices: 10 });
    const [{ body }] = (await rows(
      `select body from audit_event where type = 'bdk.max-devices-changed'`,
    )) as [{ body: object }];
    expect(body).toEqual({ id: scarce.id, from: 2, to: 10, reason: 'second lot' });

    const { terminalId } = (await ended('KSN_SPACE_EXHAUSTED'))[0]!;
    const load = await stack.api.post<Load>('/loads', { terminalId, reason: 'second lot' });
    await stack.until('it is loaded', async () => (await stateOf(load)).state === 'CONFIRMED');
  });

  test('a BDK that is set apart for another model gives nothing', async () => {
    const other = await makeBdk('other model', { segment: { model: 'NOT-THIS-ONE' } });
    const outside = await profileOf('outside', [plenty, other]);
    const [terminal] = await rows<{ id: string }>('select id from terminal order by serial limit 1');
    await rows('update terminal set profile_id = $2 where id = $1', [terminal!.id, outside]);
    const before = (await bdk(plenty)).nextDevice;
    const load = await stack.api.post<Load>('/loads', { terminalId: terminal!.id, reason: 'wrong profile' });
    await stack.until('it is refused', async () => (await stateOf(load)).state === 'FAILED');
    expect((await stateOf(load)).reasonCode).toBe('BDK_SEGMENT');
    expect([(await bdk(plenty)).nextDevice, (await bdk(other)).nextDevice]).toEqual([before, 1]);
    await rows('update terminal set profile_id = $2 where id = $1', [terminal!.id, profileId]);
  });

  test('the history keeps every rule', async () => {
    const acknowledged = acknowledgedLoads(stack.logs()['terminal-sim']!);
    expect(violations(await readHistory(stack.databaseUrl), { acknowledged, honest: true })).toEqual([]);
  });
});
