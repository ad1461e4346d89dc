import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { TransferPage } from '../../apps/kdh-server/src/audit/transfers.schemas.ts';
import type { Load } from '../../apps/kdh-server/src/loads/loads.schemas.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 6;

describe('a fleet gets its keys', () => {
  let stack: Stack;
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${stack.httpUrl}/api/v1${path}`, {
      headers: { authorization: `Bearer ${stack.token}`, ...headers },
    });

  /** What breaks an invariant. */
  const found = async () =>
    violations(await readHistory(stack.databaseUrl), {
      held: heldKeys(join(stack.folder, 'oracle.jsonl')),
      acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
      logs: Object.values(stack.logs()).join('\n'),
      atRest: true,
    });

  beforeAll(async () => {
    stack = await Stack.start();
    await stack.startFleet(TERMINALS, ['--oracle', join(stack.folder, 'oracle.jsonl')]);
    await stack.untilConfirmed(TERMINALS);
  });
  afterAll(() => stack.stop());

  test('every terminal holds a PIN and a DATA key of its own; the invariants hold', async () => {
    await stack.until(
      'the oracle is written',
      () => heldKeys(join(stack.folder, 'oracle.jsonl')).length === 2 * TERMINALS,
    );
    const held = heldKeys(join(stack.folder, 'oracle.jsonl'));
    expect(new Set(held.map((key) => key.slot))).toEqual(new Set(['PIN', 'DATA']));
    expect(await found()).toEqual([]);
  });

  test('the transfer record of a load says all that an auditor asks for', async () => {
    const page = (await (await get('/transfers?terminal=SIM-000001')).json()) as TransferPage;
    expect(page.transfers.map((transfer) => [transfer.kind, transfer.attemptNumber, transfer.state])).toEqual(
      [
        ['KEYS', 2, 'CONFIRMED'],
        ['KBPK', 1, 'CONFIRMED'],
      ],
    );
    const [keys, kbpk] = page.transfers;
    const hash = expect.stringMatching(/^[0-9A-F]{64}$/);
    const kcv = expect.stringMatching(/^[0-9A-F]{6}$/);
    expect(keys).toMatchObject({
      requestedBy: 'terminal:SIM-000001',
      terminal: {
        serial: 'SIM-000001',
        tlsCertificateFingerprint: hash,
        krdCertificateFingerprint: hash,
        signingCertificateFingerprint: hash,
        firmware: expect.any(String),
      },
      profile: { name: 'PIN and data', version: 1 },
      hsm: expect.stringContaining('payShield'),
      sessionEpochs: [1],
      planHash: hash,
      keys: [
        {
          slot: 'KBPK-TDES',
          usage: 'K1',
          algorithm: 'T3',
          header: expect.stringMatching(/^D\d{4}K1TB00E0000/),
          ksn: null,
        },
        {
          slot: 'PIN',
          usage: 'B1',
          algorithm: 'A128',
          wrapMethod: 'TR-31',
          wrappedUnder: 'KBPK-AES',
          kbpkKcv: kcv,
          header: expect.stringMatching(/^D\d{4}B1AX00N/),
          ksn: expect.stringMatching(/^[0-9A-F]{16}00000000$/),
          bdkKcv: kcv,
          sha256: hash,
          kcvExpected: kcv,
          resultCode: 0,
        },
        {
          slot: 'DATA',
          usage: 'B1',
          algorithm: 'T2',
          wrappedUnder: 'KBPK-TDES',
          header: expect.stringMatching(/^B\d{4}B1TX00N/),
          ksn: expect.stringMatching(/^[0-9A-F]{20}$/),
        },
      ],
    });
    for (const key of keys!.keys) expect(key.kcvReported).toBe(key.kcvExpected);
    expect(kbpk).toMatchObject({
      keys: [{ slot: 'KBPK-AES', wrapMethod: 'TR-34', sha256: hash, kcvExpected: kcv }],
    });
    expect(Object.keys(keys!.times)).toEqual(
      expect.arrayContaining([
        'REQUESTED',
        'APPROVED',
        'KSN_RESERVED',
        'DERIVING',
        'WRAPPED',
        'SENT',
        'CONFIRMED',
      ]),
    );
  });

  test('transfer records in keyset pages, each once, newest first', async () => {
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor ? `&cursor=${cursor}` : '';
      const page = (await (await get(`/transfers?limit=5${query}`)).json()) as TransferPage;
      seen.push(...page.transfers.map((transfer) => transfer.attemptId));
      cursor = page.next;
    }
    expect(seen).toHaveLength(2 * TERMINALS);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test('filters by state, BDK, KSN and time', async () => {
    const all = ((await (await get('/transfers?limit=100')).json()) as TransferPage).transfers;
    const ids = async (query: string) =>
      ((await (await get(`/transfers?limit=100&${query}`)).json()) as TransferPage).transfers.map(
        (t) => t.attemptId,
      );
    const pin = all.find((t) => t.kind === 'KEYS')!.keys.find((key) => key.slot === 'PIN')!;
    expect(await ids(`ksn=${pin.ksn}`)).toEqual([
      all.find((t) => t.keys.some((k) => k.ksn === pin.ksn))!.attemptId,
    ]);
    expect(await ids(`bdkId=${pin.bdkId}`)).toHaveLength(TERMINALS);
    expect(await ids('state=FAILED')).toEqual([]);
    expect(await ids(`from=${all[3]!.requestedAt}`)).toEqual(expect.arrayContaining([all[3]!.attemptId]));
    expect(await ids('to=2020-01-01T00:00:00Z')).toEqual([]);
  });

  test('exports: CSV with one line for each key, JSON lines with one for each transfer', async () => {
    const csv = await get('/transfers/export?format=csv&terminal=SIM-000002');
    expect(csv.headers.get('content-type')).toContain('text/csv');
    const lines = (await csv.text()).trimEnd().split('\r\n');
    expect(lines).toHaveLength(1 + 3 + 1);
    expect(lines[0]).toContain('attempt_id,load_id');
    const jsonLines = await get('/transfers/export?format=jsonl&terminal=SIM-000002');
    const page = (await (await get('/transfers?terminal=SIM-000002')).json()) as TransferPage;
    expect(
      (await jsonLines.text())
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(page.transfers);
  });

  test('bad searches are refused with a code and what to do', async () => {
    for (const query of [
      'limit=0',
      'state=NOPE',
      'ksn=xyz',
      'cursor=bogus',
      'nonsense=1',
      'from=yesterday',
    ]) {
      const response = await get(`/transfers?${query}`);
      expect([query, response.status]).toEqual([query, 400]);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(await response.json()).toMatchObject({
        status: 400,
        code: expect.stringMatching(/VALIDATION|CURSOR/),
      });
    }
  });

  test('nothing but health is answered without a token', async () => {
    for (const path of ['/transfers', '/bdks', '/profiles', '/terminals', '/status']) {
      const response = await fetch(`${stack.httpUrl}/api/v1${path}`);
      expect([path, response.status]).toEqual([path, 401]);
      expect(await response.json()).toMatchObject({ code: 'TOKEN_REQUIRED' });
    }
    expect((await fetch(`${stack.httpUrl}/api/v1/health`)).status).toBe(200);
    await stack.until('it is ready', async () => (await fetch(`${stack.httpUrl}/api/v1/ready`)).ok);
  });

  test('a further load needs a reason, gives new KSNs, and each attempt is told', async () => {
    const [terminal] = await stack.api.get<{ id: string }[]>('/terminals?serial=SIM-000003');
    const load = await stack.api.post<{ id: string }>('/loads', {
      terminalId: terminal!.id,
      reason: 'repair return',
    });
    await stack.until('the second load is confirmed', async () => {
      const { attempts } = await stack.api.get<{ attempts: { state: string }[] }>(`/loads/${load.id}`);
      return attempts[0]?.state === 'CONFIRMED';
    });
    const page = (await (await get('/transfers?terminal=SIM-000003')).json()) as TransferPage;
    expect(page.transfers.map((t) => [t.attemptNumber, t.reason])).toEqual([
      [3, 'repair return'],
      [2, null],
      [1, null],
    ]);
    await stack.until('the oracle is written again', () => {
      const pin = page.transfers[0]!.keys.find((key) => key.slot === 'PIN');
      return heldKeys(join(stack.folder, 'oracle.jsonl')).some((key) => key.ksn === pin?.ksn);
    });
    expect(await found()).toEqual([]);
  });

  test('after a restart terminals come back, tell what they hold, and it is what was confirmed', async () => {
    await stack.restart('kdh-server');
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    try {
      await stack.until('every terminal has told its inventory', async () => {
        const { rows } = await client.query<{ body: { differences: unknown[] } }>(
          `select body from audit_event where type = 'terminal.inventory' and body -> 'differences' = '[]'`,
        );
        return rows.length >= TERMINALS;
      });
      const { rows } = await client.query('select kind from incident');
      expect(rows).toEqual([]);
    } finally {
      await client.end();
    }
  });

  test('the history has the starts and the stop of the node, refused requests, and what the HSM says of itself', async () => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    try {
      const { rows } = await client.query<{ type: string; body: Record<string, unknown> }>(
        `select type, body from audit_event
         where type in ('node.started', 'node.stopped', 'operator.refused', 'hsm.anchored') order by id`,
      );
      const of = (type: string) => rows.filter((row) => row.type === type).map((row) => row.body);
      expect(rows.filter(({ type }) => type.startsWith('node.')).map(({ type }) => type)).toEqual([
        'node.started',
        'node.stopped',
        'node.started',
      ]);
      expect(of('node.started')[0]).toMatchObject({
        settings: { KDH_NODE_ID: 'kdh-server', KDH_CHUNK_SIZE: '100' },
      });
      expect(JSON.stringify(of('node.started'))).not.toContain(new URL(stack.databaseUrl).password);
      expect(of('operator.refused')).toContainEqual(
        expect.objectContaining({ code: 'TOKEN_REQUIRED', method: 'GET', path: '/api/v1/transfers' }),
      );
      expect(of('hsm.anchored')[0]).toMatchObject({
        hsm: expect.any(String),
        operations: expect.any(Number),
        log: { seq: expect.any(Number), hash: expect.stringMatching(/^[0-9A-F]{64}$/) },
      });
    } finally {
      await client.end();
    }
  });

  test('a batch gives every terminal a further load, or none of them', async () => {
    const serials = ['SIM-000001', 'SIM-000002'];
    const terminals = await Promise.all(
      serials.map(
        async (serial) => (await stack.api.get<{ id: string }[]>(`/terminals?serial=${serial}`))[0]!.id,
      ),
    );
    const reason = 'new BDK';
    const loads = await stack.api.post<Load[]>('/loads/batch', { terminalIds: terminals, reason });
    expect(new Set(loads.map((load) => load.terminalId))).toEqual(new Set(terminals));
    await stack.until('both are confirmed', async () => {
      const now = await Promise.all(loads.map(({ id }) => stack.api.get<Load>(`/loads/${id}`)));
      return now.every(({ attempts }) => attempts[0]!.state === 'CONFIRMED');
    });

    const unknown = '0197fa2c-0000-7000-8000-000000000001';
    const refused = stack.api.post('/loads/batch', { terminalIds: [...terminals, unknown], reason });
    await expect(refused).rejects.toThrow(`404: no terminal has the id ${unknown}`);
    const page = (await (await get('/transfers?terminal=SIM-000001')).json()) as TransferPage;
    expect(page.transfers.map((t) => [t.attemptNumber, t.reason])).toEqual([
      [3, reason],
      [2, null],
      [1, null],
    ]);
    const { transfers } = (await (await get('/transfers?limit=2')).json()) as TransferPage;
    const ksns = transfers.flatMap(({ keys }) => keys.map((key) => key.ksn));
    await stack.until('the oracle has the new keys of both', () => {
      const held = heldKeys(join(stack.folder, 'oracle.jsonl'));
      return ksns.every((ksn) => held.some((key) => key.ksn === ksn));
    });
    expect(await found()).toEqual([]);
  });

  test('logs carry the attempt and no key block', () => {
    const logs = Object.values(stack.logs()).join('\n');
    expect(logs).toMatch(/"event":"result.recorded","attempt":"[0-9a-f-]{36}"/);
    expect(logs).not.toMatch(/[BD]\d{4}(B1|K1)[AT][XB]\d\d[NES]\d{4}/);
  });
});
