import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 4;

describe('F23: a database that is restored from an old backup', () => {
  let stack: Stack;
  const oracle = () => join(stack.folder, 'oracle.jsonl');
  const data = () => join(stack.folder, 'postgres', 'data');
  const backup = () => join(stack.folder, 'backup');
  const confirmed = async () => (await stack.status()).loads.confirmed;
  const rows = async <Row>(text: string): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    try {
      return (await client.query(text)).rows as Row[];
    } finally {
      await client.end();
    }
  };
  const ksns = async () =>
    (await rows<{ ksn: string }>('select ksn from attempt_key where ksn is not null')).map(({ ksn }) => ksn);
  const loadAll = async (reason: string): Promise<void> => {
    const terminalIds = (await rows<{ id: string }>('select id from terminal')).map(({ id }) => id);
    const before = await confirmed();
    await stack.api.post('/loads/batch', { terminalIds, reason });
    await stack.until(
      `the loads are confirmed: ${reason}`,
      async () => (await confirmed()) === before + TERMINALS,
      60_000,
    );
  };
  /** Switched on again, they do not wait as after a lost connection. */
  const terminalsCome = async (): Promise<void> => {
    await stack.restart('terminal-sim');
    await stack.until(
      'all terminals are connected',
      async () => (await stack.status()).terminals.connected === TERMINALS,
    );
  };
  /** The backup in place of the database, as a careless restore does it. */
  const restore = async (): Promise<void> => {
    await stack.kill9('postgres');
    rmSync(data(), { recursive: true });
    cpSync(backup(), data(), { recursive: true });
    await stack.startPart('postgres');
  };
  const acceptRestore = (...options: string[]) => stack.runServerCommand(['accept-restore', ...options]);

  let given: string[];

  beforeAll(async () => {
    stack = await Stack.start({ ownPostgres: true });
    await stack.startFleet(TERMINALS, ['--oracle', oracle()]);
    await stack.until('the fleet is loaded', async () => (await confirmed()) === TERMINALS, 90_000);
    for (const part of ['terminal-sim', 'kdh-server', 'postgres'] as const) await stack.stopPart(part);
    cpSync(data(), backup(), { recursive: true });
    await stack.startPart('postgres');
    await stack.startPart('kdh-server');
    await terminalsCome();
    await loadAll('after the backup');
    given = await ksns();
  });
  afterAll(() => stack?.stop());

  test('under a server that runs: it ends by itself', async () => {
    const mark = join(stack.folder, 'kdh-server', 'high-water-mark.json');
    const next = Math.max(
      ...(await rows<{ n: number }>('select next_device::int as n from bdk')).map(({ n }) => n),
    );
    await stack.until('the mark is written', () => {
      const { devices } = JSON.parse(readFileSync(mark, 'utf8')) as { devices: Record<string, string> };
      return Object.values(devices).every((device) => Number(device) === next);
    });
    await restore();
    expect(await stack.ended('kdh-server')).toBe('exit code 1');
    expect(stack.logs()['kdh-server']).toContain('"code":"DATABASE_RESTORED"');
  });

  test('the server refuses to start, and says what to do', async () => {
    await expect(stack.startPart('kdh-server')).rejects.toThrow('accept-restore');
    expect(await rows('select 1 from audit_event where type = $$database.restore-accepted$$')).toEqual([]);
  });

  test('a person accepts it, with a reason: the KSNs in doubt are burned, and the act is recorded', async () => {
    expect((await acceptRestore()).status).toBe(1);
    const accepted = await acceptRestore('--reason', 'disk lost, backup of this morning');
    expect([accepted.status, accepted.stderr]).toEqual([0, '']);
    const events = await rows<{ type: string; body: Record<string, unknown> }>(
      `select type, body from audit_event where type in ('database.restore-accepted', 'bdk.ksns-burned') order by id`,
    );
    expect(events.map(({ type }) => type)).toEqual([
      'database.restore-accepted',
      'bdk.ksns-burned',
      'bdk.ksns-burned',
    ]);
    expect(events[0]!.body).toMatchObject({
      reason: 'disk lost, backup of this morning',
      lastSeen: { size: expect.any(Number), root: expect.any(String) },
    });
    const again = await acceptRestore('--reason', 'once more');
    expect([again.status, again.stdout + again.stderr]).toEqual([
      1,
      expect.stringContaining('NOTHING_TO_ACCEPT'),
    ]);
  });

  test('it goes on: every terminal is loaded again, and no KSN is given twice', async () => {
    const before = new Set(await ksns());
    await stack.startPart('kdh-server');
    await terminalsCome();
    await loadAll('after the restore');
    const fresh = (await ksns()).filter((ksn) => !before.has(ksn));
    expect(fresh).toHaveLength(2 * TERMINALS);
    expect(fresh.filter((ksn) => given.includes(ksn))).toEqual([]);
    await stack.until('the oracle is written', () =>
      heldKeys(oracle()).every(({ ksn }) => fresh.includes(ksn)),
    );
    expect(
      violations(await readHistory(stack.databaseUrl), { held: heldKeys(oracle()), honest: true }),
    ).toEqual([]);
  });
});
