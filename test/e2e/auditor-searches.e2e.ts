import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { EventFilters, EventRecord } from '../../apps/kdh-server/src/audit/events.schemas.ts';
import { EventsService } from '../../apps/kdh-server/src/audit/events.service.ts';
import { planEvents } from '../../apps/kdh-server/src/audit/events-search.ts';
import { EXAMINED } from '../../apps/kdh-server/src/audit/search.ts';
import type { Transfer, TransferFilters } from '../../apps/kdh-server/src/audit/transfers.schemas.ts';
import { TransfersService } from '../../apps/kdh-server/src/audit/transfers.service.ts';
import { planTransfers, type TransferDriver } from '../../apps/kdh-server/src/audit/transfers-search.ts';
import type { Config } from '../../apps/kdh-server/src/config/config.ts';
import { Database } from '../../apps/kdh-server/src/database/database.ts';
import { applicationUrlOf, freshDatabase, type TestDatabase } from '../support/postgres.ts';
import { fillForSearches } from '../support/search-data.ts';

const TRANSFERS = 4_500;
const uuid = (hex: string) =>
  hex.padEnd(32, '0').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

describe('searches, against a look at every record', () => {
  let own: TestDatabase;
  let client: pg.Client;
  let database: Database;
  let stored: number;
  let transfers: Transfer[];
  let events: EventRecord[];

  const allTransfers = (filters: TransferFilters, limit: number) =>
    pages(async (after) => {
      const page = await new TransfersService(database).search(filters, { after, limit });
      return { records: page.transfers, next: page.next };
    });
  const allEvents = (filters: EventFilters, limit: number) =>
    pages(async (after) => {
      const page = await new EventsService(database).search(filters, { after, limit });
      return { records: page.events, next: page.next };
    });

  beforeAll(async () => {
    own = await freshDatabase();
    client = new pg.Client({ connectionString: own.url });
    await client.connect();
    stored = await fillForSearches(client, TRANSFERS);
    database = await Database.open({
      KDH_DATABASE_URL: applicationUrlOf(own.url),
      KDH_DATABASE_CONNECTIONS: 4,
    } as Config);
    transfers = await allTransfers({}, 500);
    events = await allEvents({}, 500);
  });
  afterAll(async () => {
    await database?.onApplicationShutdown();
    await client.end();
    await own.drop();
  });

  test('without filters: every record once, newest first', () => {
    expect(transfers.length).toBe(stored);
    expect(stored).toBeGreaterThan(2 * EXAMINED);
    expect(transfers.map((t) => t.attemptId)).toEqual(
      transfers
        .map((t) => t.attemptId)
        .sort()
        .reverse(),
    );
    expect(events).toHaveLength(TRANSFERS + 1); // the first is of the migration
    expect(new Set(events.map((event) => event.id)).size).toBe(TRANSFERS + 1);
  });

  const ofPerson = (person: string) => (t: Transfer) =>
    t.requestedBy === person || t.approvals.some((approval) => approval.person === person);
  const ofKey = (condition: (key: Transfer['keys'][number]) => boolean) => (t: Transfer) =>
    t.keys.some(condition);
  const ksn = '00000000020001000000';
  const [campaign, run, bdk] = [uuid('ca'), uuid('f1'), uuid('b2')];
  const from = '2026-01-01T00:30:00.000Z';
  const to = '2026-01-01T01:00:00Z';
  const inTime = (t: Transfer) => t.requestedAt >= from && t.requestedAt < '2026-01-01T01:00:00.000Z';

  const transferCases: [TransferFilters, (t: Transfer) => boolean][] = [
    [{ terminal: 'SIM-0042' }, (t) => t.terminal.serial === 'SIM-0042'],
    [{ terminal: 'SIM-9999' }, () => false],
    [{ serialPrefix: 'SIM-001' }, (t) => t.terminal.serial.startsWith('SIM-001')],
    [{ serialPrefix: 'SIM-' }, () => true],
    [
      { serialFrom: 'SIM-0100', serialTo: 'SIM-0110' },
      ({ terminal: { serial } }) => serial >= 'SIM-0100' && serial <= 'SIM-0110',
    ],
    [{ serialFrom: 'SIM-0020', kind: 'KBPK' }, (t) => t.terminal.serial >= 'SIM-0020' && t.kind === 'KBPK'],
    [{ ksn }, ofKey((key) => key.ksn === ksn)],
    [{ kcv: '000042' }, ofKey((key) => key.kcvExpected === '000042')],
    [
      { kcv: '000042', state: 'FAILED' },
      (t) => t.state === 'FAILED' && ofKey((key) => key.kcvExpected === '000042')(t),
    ],
    [{ bdkId: bdk }, ofKey((key) => key.bdkId === bdk)],
    [{ person: 'operator:alice' }, ofPerson('operator:alice')],
    [{ person: 'operator:bob' }, ofPerson('operator:bob')],
    [{ person: 'operator:mallory' }, () => false],
    [
      { person: 'operator:alice', station: 'bench 1' },
      (t) => ofPerson('operator:alice')(t) && t.station === 'bench 1',
    ],
    [{ station: 'bench 1' }, (t) => t.station === 'bench 1'],
    [{ runId: run }, (t) => t.runId === run],
    [{ campaignId: campaign }, (t) => t.campaignId === campaign],
    [
      { campaignId: campaign, bdkId: bdk, from },
      (t) => t.campaignId === campaign && ofKey((key) => key.bdkId === bdk)(t) && t.requestedAt >= from,
    ],
    [{ state: 'FAILED' }, (t) => t.state === 'FAILED'],
    [{ state: 'FAILED', bdkId: bdk }, (t) => t.state === 'FAILED' && ofKey((key) => key.bdkId === bdk)(t)],
    [{ state: 'QUARANTINED' }, () => false],
    [{ state: 'SENT' }, (t) => t.state === 'SENT'],
    [{ state: 'CONFIRMED', kind: 'KBPK' }, (t) => t.state === 'CONFIRMED' && t.kind === 'KBPK'],
    [
      { state: 'SENT', bdkId: bdk, from, to },
      (t) => t.state === 'SENT' && ofKey((key) => key.bdkId === bdk)(t) && inTime(t),
    ],
    [{ from, to }, inTime],
    [{ bdkId: bdk, from, to }, (t) => inTime(t) && ofKey((key) => key.bdkId === bdk)(t)],
  ];
  test.each(transferCases)('transfers: %j', async (filters, holds) => {
    const expected = transfers.filter(holds).map((t) => t.attemptId);
    for (const limit of [500, 137])
      expect((await allTransfers(filters, limit)).map((t) => t.attemptId)).toEqual(expected);
  });

  test('small pages of terminals whose attempts were numbered out of order', async () => {
    for (const serialPrefix of ['SIM-0042', 'SIM-004']) {
      const found = await allTransfers({ serialPrefix }, 4);
      const expected = transfers.filter((t) => t.terminal.serial.startsWith(serialPrefix));
      expect(found.map((t) => t.attemptId)).toEqual(expected.map((t) => t.attemptId));
    }
  });

  const alice = (event: EventRecord) => event.actor === 'operator:alice';
  const eventCases: [EventFilters, (event: EventRecord) => boolean][] = [
    [{ type: 'attempt.sent' }, (event) => event.type === 'attempt.sent'],
    [{ type: 'attempt.quarantined' }, (event) => event.type === 'attempt.quarantined'],
    [{ type: 'attempt' }, (event) => event.type.startsWith('attempt.')],
    [{ type: 'bdk' }, (event) => event.type.startsWith('bdk.')],
    [{ type: 'bdk', to }, (event) => event.type.startsWith('bdk.') && event.time < to],
    [{ type: 'bd' }, () => false],
    [{ actor: 'operator:alice' }, alice],
    [{ actor: 'operator:alice', type: 'bdk.frozen' }, (event) => alice(event) && event.type === 'bdk.frozen'],
    [{ actor: 'node:a' }, (event) => event.actor === 'node:a'],
    [{ terminal: 'SIM-0001' }, (event) => event.terminal === 'SIM-0001'],
    [{ terminal: 'SIM-9999' }, () => false],
    [
      { terminal: 'SIM-0001', type: 'bdk' },
      (event) => event.terminal === 'SIM-0001' && event.type.startsWith('bdk.'),
    ],
    [{ words: 'Seal 4711' }, (event) => JSON.stringify(event.body).includes('seal 4711')],
    [{ words: 'seal 4712' }, () => false],
    [
      { words: 'repair', terminal: 'SIM-0001' },
      (event) => event.terminal === 'SIM-0001' && JSON.stringify(event.body).includes('repair'),
    ],
    [
      { from, to: '2026-01-01T00:30:07Z' },
      (event) => event.time.slice(0, 19) >= from.slice(0, 19) && event.time < '2026-01-01T00:30:07',
    ],
  ];
  test.each(eventCases)('events: %j', async (filters, holds) => {
    const expected = events.filter(holds).map((event) => event.id);
    for (const limit of [500, 137])
      expect((await allEvents(filters, limit)).map((event) => event.id)).toEqual(expected);
  });

  test('events of an attempt', async () => {
    const attemptId = transfers.at(-1)!.attemptId;
    const found = await allEvents({ attemptId }, 50);
    expect(found.map((event) => event.attemptId)).toEqual([attemptId]);
  });

  test('every driver walks an index: where none may scan a table, none has to', async () => {
    await client.query('set enable_seqscan = off');
    const plans: Record<string, { text: string; parameters: unknown[] }> = {};
    const page = { limit: 50, after: transfers[0]!.attemptId };
    for (const [filters] of transferCases) {
      const terminals = filters.serialPrefix || filters.terminal ? [transfers[0]!.terminal.id] : undefined;
      const plan = planTransfers(filters, terminals, page);
      plans[plan.driver satisfies TransferDriver] = plan.page;
    }
    for (const [filters] of eventCases) {
      const plan = planEvents(filters, transfers[0]!.terminal.id, { limit: 50, after: events[0]!.id });
      plans[`${plan.driver} of events ${filters.type}`] = plan.page;
    }
    expect(Object.keys(plans).length).toBeGreaterThan(18);
    for (const [driver, { text, parameters }] of Object.entries(plans)) {
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, parameters);
      const explained = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect([driver, explained]).toEqual([driver, expect.not.stringContaining('Seq Scan')]);
      expect([driver, explained]).toEqual([driver, expect.stringContaining('Limit')]);
    }
  });

  test.each<[TransferFilters, string]>([
    [{ terminal: 'SIM-0042' }, 'attempt_terminal_number'],
    [{ person: 'operator:alice' }, 'attempt_requested_by'],
    [{ runId: run }, 'attempt_run'],
    [{ campaignId: campaign }, 'attempt_campaign'],
    [{ station: 'bench 1', campaignId: campaign }, 'attempt_station'],
    [{ state: 'FAILED' }, 'attempt_unsuccessful'],
    [{ bdkId: bdk }, 'attempt_key_bdk_attempt'],
    [{ state: 'FAILED', bdkId: bdk }, 'attempt_key_burned'],
  ])('%j is answered by the index alone, without a read for each row', async (filters, index) => {
    await client.query('vacuum (analyze) attempt, attempt_key, attempt_approval');
    await client.query('set enable_seqscan = off; set enable_bitmapscan = off');
    const terminals = filters.terminal ? [transfers[0]!.terminal.id] : undefined;
    const { text, parameters } = planTransfers(filters, terminals, { limit: 50 }).page;
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, parameters);
    const explained = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(explained).toMatch(new RegExp(`Index Only Scan (Backward )?using ${index}`));
    expect(explained).not.toMatch(/(?<!Only )Scan (Backward )?using/);
  });

  test('what takes too long is stopped and refused with a code', async () => {
    const slow = { transaction: database.transaction.bind(database) };
    const { boundedRead } = await import('../../apps/kdh-server/src/audit/bounded-read.ts');
    const read = boundedRead(slow as Database, async (sql) => {
      await sql.query('set local statement_timeout = 20');
      return sql.query('select pg_sleep(5)');
    });
    await expect(read).rejects.toMatchObject({ status: 422, code: 'SEARCH_TOO_WIDE' });
    const write = boundedRead(database, (sql) =>
      sql.query(`insert into audit_event (type, actor) values ('x', 'y')`),
    );
    await expect(write).rejects.toThrow('read-only transaction');
  });
});

/** Every page of a search; fails where one does not end. */
async function pages<Row>(
  read: (after: string | undefined) => Promise<{ records: Row[]; next: string | null }>,
): Promise<Row[]> {
  const all: Row[] = [];
  for (let after: string | undefined; ; ) {
    const { records, next } = await read(after);
    all.push(...records);
    if (next === null) return all;
    if (next === after) throw new Error('the next page is this page');
    after = next;
  }
}
