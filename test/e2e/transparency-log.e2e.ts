import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  HistoryVerifier,
  hashesOfTile,
  openCheckpoint,
  parseCanonicalJson,
  parseEntryBundle,
  parseVerifierKey,
  type Tile,
  tilePath,
  tilesOfGrowth,
  verifyGrowth,
} from '@openkdh/transparency-log';
import pg from 'pg';
import { readHistory } from '../support/history.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 3;

describe('the history that an outsider can verify', () => {
  let stack: Stack;
  let client: pg.Client;
  const get = async (path: string) => {
    const response = await fetch(`${stack.httpUrl}/api/v1/log/${path}`, {
      headers: { authorization: `Bearer ${stack.token}` },
    });
    expect([path, response.status]).toEqual([path, 200]);
    return new Uint8Array(await response.arrayBuffer());
  };
  const text = async (path: string) => Buffer.from(await get(path)).toString();
  const checkpoint = async () => {
    const key = parseVerifierKey((await text('key')).trim());
    const trust = { origin: key.name, logKeys: [key], witnesses: [], quorum: 0 };
    return openCheckpoint(await get('checkpoint'), trust).checkpoint;
  };
  const events = async () => {
    const { rows } = await client.query<{ count: string }>('select count(*)::text as count from audit_event');
    return BigInt(rows[0]!.count);
  };
  const sealedEntries = async () =>
    (await readHistory(stack.databaseUrl)).leaves.map(
      ({ entry }) => parseCanonicalJson(Buffer.from(entry)) as { type: string },
    );
  const sealed = () =>
    stack.until('every event is sealed', async () => (await checkpoint()).size === (await events()));

  beforeAll(async () => {
    stack = await Stack.start();
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    await stack.startFleet(TERMINALS);
    await stack.untilConfirmed(TERMINALS);
  });
  afterAll(async () => {
    await client.end();
    await stack.stop();
  });

  test('every committed event is in the signed tree within seconds, once, and the tree is whole', async () => {
    await sealed();
    const head = await checkpoint();
    const verifier = new HistoryVerifier(head);
    const ids = new Set<string>();
    for (const tile of tilesOfGrowth(0n, head.size)) {
      if (tile.level !== 0) continue;
      const entries = parseEntryBundle(await get(tilePath({ ...tile, level: 'entries' } as Tile)));
      verifier.add(entries, hashesOfTile(await get(tilePath(tile)), tile.width));
      for (const entry of entries) ids.add((parseCanonicalJson(entry) as { id: string }).id);
    }
    verifier.end();
    expect(BigInt(ids.size)).toBe(head.size);
  });

  test('an entry says what the event says', async () => {
    await sealed();
    const confirmed = (await sealedEntries()).find(({ type }) => type === 'attempt.confirmed');
    expect(confirmed).toMatchObject({
      v: 1,
      type: 'attempt.confirmed',
      actor: expect.stringMatching(/^terminal:SIM-/),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      body: { event: 'match', from: 'SENT', through: ['RESULT_RECEIVED'] },
    });
  });

  test('an event that commits late, with a lower id than what is sealed, gets its place when it commits', async () => {
    await sealed();
    const late = new pg.Client({ connectionString: stack.databaseUrl });
    await late.connect();
    try {
      await late.query('begin');
      await late.query(`insert into audit_event (type, actor) values ('test.late', 'test')`);
      await client.query(`insert into audit_event (type, actor) values ('test.early', 'test')`);
      const before = await checkpoint();
      await stack.until('the early one is sealed', async () => (await checkpoint()).size > before.size);
      await late.query('commit');
    } finally {
      await late.end();
    }
    await sealed();
    const types = (await sealedEntries()).map(({ type }) => type).filter((type) => type.startsWith('test.'));
    expect(types).toEqual(['test.early', 'test.late']);
  });

  test('kill -9 of the server: the log goes on where it was, without gap or fork', async () => {
    await sealed();
    const before = await checkpoint();
    await stack.kill9('kdh-server');
    await stack.startPart('kdh-server');
    await client.query(`insert into audit_event (type, actor) values ('test.after-restart', 'test')`);
    await sealed();
    const after = await checkpoint();
    expect(after.size).toBeGreaterThan(before.size);
    const { rows } = await client.query<{ gaps: string }>(
      'select (max(first_index + cardinality(event_ids)) - sum(cardinality(event_ids)))::text as gaps from log_entries',
    );
    expect(rows[0]!.gaps).toBe('0');
    // The sealer itself verified the growth before it signed; an empty proof must not pass for one.
    expect(() => verifyGrowth(before, after, [])).toThrow();
  });

  test('entries, checkpoints and cosignatures can be added, never changed or removed', async () => {
    await client.query(`insert into log_cosignature values (1, 'test', '', now())`);
    for (const table of ['log_entries', 'log_checkpoint', 'log_cosignature']) {
      await expect(client.query(`delete from ${table}`)).rejects.toThrow('append-only');
      await expect(client.query(`truncate ${table}`)).rejects.toThrow('append-only');
    }
  });
});
