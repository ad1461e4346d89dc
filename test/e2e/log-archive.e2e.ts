/** Old entries leave the database for an archive, and every proof still works: docs/audit-log.md, "The archive". */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { exportLog } from '../../apps/cli/src/audit/export.ts';
import { verifyReceiptFile } from '../../apps/cli/src/audit/receipt.ts';
import { verifyBundle } from '../../apps/cli/src/audit/verify.ts';
import { FakeS3 } from '../support/fake-s3.ts';
import { hasSecondVerifier, secondVerdicts } from '../support/second-verifier.ts';
import { Stack } from '../support/stack.ts';

/** Of the first archive: three bundles are full, whatever else is recorded. */
const ARCHIVED = 768;

describe('a log with an archive', () => {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-archived-'));
  const archive = join(folder, 'archive');
  const inFolder = `file://${archive}`;
  const s3 = new FakeS3();
  let inS3: string;
  let stack: Stack;
  let client: pg.Client;
  let attempt: string;
  let made = 0;

  const rowsOf = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> =>
    (await client.query<Row>(text)).rows;
  const record = (events: number) =>
    client.query(
      `insert into audit_event (type, actor) select 'test.many', 'test' from generate_series(1, ${events})`,
    );
  const archived = (location: string, size: number) =>
    stack.until(`${size} entries are archived`, async () =>
      (await rowsOf<{ size: string; location: string }>('select size::text, location from log_archive')).some(
        (row) => row.location === location && Number(row.size) >= size,
      ),
    );
  const givenUp = async () =>
    Number(
      (
        await rowsOf<{ count: string }>(
          'select coalesce(sum(cardinality(event_ids)), 0)::text as count from log_entries where entries is null',
        )
      )[0]!.count,
    );
  const prune = async (location: string, ...more: string[]) => {
    const { status, stdout } = await stack.runServerCommand(['prune-archived', ...more], {
      KDH_MIGRATION_DATABASE_URL: stack.databaseUrl,
      KDH_LOG_ARCHIVE: location,
      ...s3.credentials,
    });
    return { status, line: JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown> };
  };
  const get = (path: string) =>
    fetch(`${stack.httpUrl}/api/v1${path}`, { headers: { authorization: `Bearer ${stack.token}` } });
  /** Exports all of the log, or what a filter says; returns what both verifiers say. */
  const verdict = async (filter: Record<string, unknown> = {}) => {
    const out = join(folder, `bundle-${made++}`);
    const { httpUrl: api, tokenFile } = stack;
    expect((await exportLog.run({ api, tokenFile, out, ...filter })).exitCode).toBe(0);
    const key = readFileSync(join(out, 'key'), 'utf8').trim();
    const { exitCode } = await verifyBundle.run({ bundle: out, key });
    if (hasSecondVerifier) expect(secondVerdicts([out], ['--key', key])).toMatchObject([{ exitCode }]);
    return exitCode;
  };
  const requireReceipt = async () => {
    const response = await get(`/transfers/${attempt}/receipt`);
    expect([response.status, await response.clone().text()]).toEqual([
      200,
      expect.stringContaining('tlog-proof'),
    ]);
    const receipt = join(folder, 'receipt.tlog-proof');
    writeFileSync(receipt, await response.text());
    const key = (await (await get('/log/key')).text()).trim();
    expect((await verifyReceiptFile.run({ receipt, key })).exitCode).toBe(0);
  };
  /** Changes the first bundle in the folder for as long as `look` looks. */
  const damaged = async (damage: (file: string) => void, look: () => Promise<void>) => {
    const file = join(archive, 'tile/entries/000');
    const right = readFileSync(file);
    damage(file);
    try {
      await look();
    } finally {
      writeFileSync(file, right);
    }
  };
  const alter = (file: string) => {
    const bytes = readFileSync(file);
    bytes[bytes.length - 3]! ^= 1; // in the last entry: a letter or a digit of its text
    writeFileSync(file, bytes);
  };

  beforeAll(async () => {
    inS3 = await s3.listen();
    stack = await Stack.start({ serverEnvironment: { KDH_LOG_ARCHIVE: inFolder } });
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    await stack.startFleet(1);
    await stack.untilConfirmed(1);
    await stack.stopPart('terminal-sim');
    [{ id: attempt }] = (await rowsOf<{ id: string }>(`select id from attempt where kind = 'KEYS'`)) as [
      { id: string },
    ];
    await record(ARCHIVED);
  });
  afterAll(async () => {
    await client.end();
    await stack.stop();
    await s3.close();
    rmSync(folder, { recursive: true });
  });

  test('full tiles and bundles are written as tlog-tiles has them, partial ones are not', async () => {
    await archived(inFolder, ARCHIVED);
    expect(readdirSync(archive, { recursive: true }).sort()).toEqual([
      'tile',
      ...['tile/0', 'tile/0/000', 'tile/0/001', 'tile/0/002'],
      ...['tile/entries', 'tile/entries/000', 'tile/entries/001', 'tile/entries/002'],
    ]);
  });

  test('nobody but the owner gives up an entry, and only one that is archived', async () => {
    const refused = expect.objectContaining({ code: '42501' });
    await expect(
      client.query(`update log_entries set entries = null where first_index >= ${ARCHIVED}`),
    ).rejects.toEqual(refused);
    await expect(client.query(`update log_entries set entries = '' where first_index = 0`)).rejects.toEqual(
      refused,
    );
    await expect(client.query('delete from log_entries where first_index = 0')).rejects.toEqual(refused);
  });

  test('nothing is given up before the archive gives it back as it was', async () => {
    await damaged(alter, async () => {
      expect(await prune(inFolder, '--keep-days', '0')).toMatchObject({
        status: 1,
        line: { code: 'ARCHIVE_DIFFERS' },
      });
    });
    expect(await prune(inFolder, '--keep-days', '1')).toMatchObject({
      status: 0,
      line: { first: null, end: null },
    });
    expect(await givenUp()).toBe(0);
  });

  test('what is given up is proven as before: the whole log, a part, a receipt', async () => {
    await requireReceipt();
    expect(await prune(inFolder, '--keep-days', '0')).toMatchObject({
      status: 0,
      line: { first: 0, end: ARCHIVED },
    });
    expect(await givenUp()).toBe(ARCHIVED);
    const [pruned] = await rowsOf(`select body from audit_event where type = 'log.pruned'`);
    expect(pruned).toEqual({ body: { archive: inFolder, first: 0, last: ARCHIVED - 1 } });
    expect(await verdict()).toBe(0);
    const [terminal] = await rowsOf<{ id: string }>('select id from terminal');
    expect(await verdict({ terminal: terminal!.id })).toBe(0);
    await requireReceipt();
    const [partial, full] = await Promise.all(
      ['/log/tile/entries/000.p/7', '/log/tile/entries/000'].map(async (path) =>
        (await get(path)).arrayBuffer(),
      ),
    );
    expect(Buffer.from(full!).subarray(0, partial!.byteLength)).toEqual(Buffer.from(partial!));
  });

  test('an archive that was changed afterwards is found out: altered 18, missing 19', async () => {
    await damaged(alter, async () => expect(await verdict()).toBe(18));
    await damaged(rmSync, async () => {
      expect(await verdict()).toBe(19);
      expect(await (await get('/log/tile/entries/000')).json()).toMatchObject({ code: 'LOG_ARCHIVE_LACKS' });
    });
    expect(await verdict()).toBe(0);
  });

  test('an archive that was copied to S3 goes on there, without writing again what is there', async () => {
    await stack.stopPart('kdh-server');
    const copy = join(folder, 'copy');
    cpSync(archive, copy, { recursive: true });
    for (const path of readdirSync(copy, { recursive: true }) as string[]) {
      if (/\/\d{3}$/.test(path)) s3.objects.set(`a/b/${path}`, readFileSync(join(copy, path)));
    }
    await record(256);
    await stack.startPart('kdh-server', { KDH_LOG_ARCHIVE: inS3, ...s3.credentials });
    await archived(inS3, ARCHIVED + 256);
    expect(s3.written).toBe(2);
    expect(await prune(inS3, '--keep-days', '0')).toMatchObject({
      status: 0,
      line: { first: 0, end: ARCHIVED + 256 },
    });
    expect(await verdict()).toBe(0);
    await requireReceipt();
  });

  test('while S3 is away, only what it alone has is not to be had', async () => {
    await s3.close();
    expect(await (await get(`/transfers/${attempt}/receipt`)).json()).toMatchObject({ code: 'ARCHIVE_AWAY' });
    expect((await get('/log/checkpoint')).status).toBe(200);
    await s3.listen();
  });
});
