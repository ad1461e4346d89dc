import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Incident } from '../../apps/kdh-server/src/incidents/incidents.schemas.ts';
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
  });
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

  describe('incidents', () => {
    let incidents: Incident[];
    const listOpen = () => stack.api.get<Incident[]>('/incidents?state=OPEN');
    const decide = ({ id }: Incident, decision: string) =>
      stack.api.post<Incident>(`/incidents/${id}/decide`, { decision, reason: 'looked into it' });
    const eventsOf = async ({ id }: Incident) =>
      (
        await rows<{ type: string }>(
          `select type from audit_event where body ->> 'incident' = $1 order by id`,
          [id],
        )
      ).map(({ type }) => type);

    beforeAll(async () => {
      // As if each terminal held another key than was confirmed.
      await rows(`update attempt_key set kcv_expected = reverse(kcv_expected) where ksn is not null`);
      await rows('update terminal set inventory_digest = null');
      await stack.restart('terminal-sim');
      await stack.until('incidents are open', async () => (await listOpen()).length === TERMINALS);
      await rows(`update attempt_key set kcv_expected = reverse(kcv_expected) where ksn is not null`);
      incidents = await listOpen();
    });

    test('each says what was found, and of which terminal', async () => {
      expect(incidents.map(({ serial }) => serial).sort()).toEqual([
        'SIM-000001',
        'SIM-000002',
        'SIM-000003',
      ]);
      for (const incident of incidents) {
        expect(incident).toMatchObject({
          kind: 'INVENTORY_MISMATCH',
          owner: null,
          decision: null,
          closedAt: null,
        });
        expect(incident.detail).toEqual({
          differences: [
            { slot: 'S0', kind: 'OTHER_KEY' },
            { slot: 'S1', kind: 'OTHER_KEY' },
          ],
        });
        expect(await stack.api.get(`/incidents/${incident.id}`)).toEqual(incident);
      }
      const [second] = await stack.api.get<Incident[]>(`/incidents?after=${incidents[0]!.id}&limit=1`);
      expect(second).toEqual(incidents[1]);
      expect(await stack.api.get(`/incidents?terminal=${incidents[2]!.terminalId}`)).toEqual([incidents[2]]);
    });

    test('LOAD_AGAIN: taken, refused while the terminal is suspended, then decided and loaded; once', async () => {
      const incident = incidents[0]!;
      expect(await stack.api.post(`/incidents/${incident.id}/take`, {})).toMatchObject({
        owner: 'operator:operator',
      });
      await stack.api.post(`/terminals/${incident.terminalId}/suspend`, { reason: 'until it is clear' });
      await expect(decide(incident, 'LOAD_AGAIN')).rejects.toThrow('is SUSPENDED');
      expect(await stack.api.get(`/incidents/${incident.id}`)).toMatchObject({
        decision: null,
        loadId: null,
      });
      await stack.api.post(`/terminals/${incident.terminalId}/resume`, { reason: 'it is clear' });

      const decided = await decide(incident, 'LOAD_AGAIN');
      expect(decided).toMatchObject({
        decision: 'LOAD_AGAIN',
        decidedBy: 'operator:operator',
        reason: 'looked into it',
        closedAt: expect.any(String),
      });
      await expect(decide(incident, 'FALSE_ALARM')).rejects.toThrow('it was decided: LOAD_AGAIN');
      expect(await eventsOf(incident)).toEqual(['incident.opened', 'incident.taken', 'incident.decided']);
      await stack.restart('terminal-sim'); // one that was suspended stays off until it is switched on
      await stack.until(
        'the new load is confirmed',
        async () => (await stateOf({ id: decided.loadId! } as Load)).state === 'CONFIRMED',
      );
    });

    test('REVOKE_TERMINAL revokes it; FALSE_ALARM changes nothing; no incident is left', async () => {
      const [, stolen, fine] = incidents as [Incident, Incident, Incident];
      await decide(stolen, 'REVOKE_TERMINAL');
      await decide(fine, 'FALSE_ALARM');
      const states = await rows<{ id: string; state: string; reason: string | null }>(
        'select id, state, state_reason as reason from terminal where id = any($1::uuid[])',
        [[stolen.terminalId, fine.terminalId]],
      );
      expect(new Map(states.map(({ id, state, reason }) => [id, [state, reason]]))).toEqual(
        new Map([
          [stolen.terminalId, ['REVOKED', 'looked into it']],
          [fine.terminalId, ['ACTIVE', null]],
        ]),
      );
      expect(await listOpen()).toEqual([]);
      expect(await stack.api.get('/status')).toMatchObject({ incidents: { open: 0 } });
    });
  });

  test('the history keeps every rule', async () => {
    const acknowledged = acknowledgedLoads(stack.logs()['terminal-sim']!);
    expect(violations(await readHistory(stack.databaseUrl), { acknowledged, honest: true })).toEqual([]);
  });
});
