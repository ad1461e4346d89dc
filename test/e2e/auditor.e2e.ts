import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { EventPage } from '../../apps/kdh-server/src/audit/events.schemas.ts';
import type { Report } from '../../apps/kdh-server/src/audit/reports/report.ts';
import type { SavedSearch } from '../../apps/kdh-server/src/audit/saved-searches.schemas.ts';
import type { Transfer, TransferPage } from '../../apps/kdh-server/src/audit/transfers.schemas.ts';
import type { OperatorWithToken } from '../../apps/kdh-server/src/operators/operators.schemas.ts';
import { Stack } from '../support/stack.ts';

const openkdh = join(import.meta.dirname, '../../apps/cli/openkdh.js');
const TERMINALS = 3;

describe('the auditor', () => {
  let stack: Stack;
  let client: pg.Client;
  let auditor: OperatorWithToken;
  let transfer: Transfer;

  const call = (method: string, path: string, body?: unknown, token = auditor.token) =>
    fetch(`${stack.httpUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const get = async <T>(path: string) => (await call('GET', path)).json() as Promise<T>;
  const bytes = async (path: string) => Buffer.from(await (await call('GET', path)).arrayBuffer());
  const refusal = async (response: Response) => [
    response.status,
    ((await response.json()) as { code: string }).code,
  ];
  /** Runs `openkdh audit …`; returns its exit code and what it says. */
  const audit = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [openkdh, 'audit', ...args]);
    return { status, said: `${stdout}${stderr}` };
  };

  beforeAll(async () => {
    stack = await Stack.start();
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    await stack.startFleet(TERMINALS);
    await stack.untilConfirmed(TERMINALS);
    auditor = await stack.api.post<OperatorWithToken>('/operators', { name: 'Zoë Auditor', role: 'auditor' });
    await stack.until('a receipt is there', async () => {
      [transfer] = (await get<TransferPage>('/transfers?terminal=SIM-000002&kind=KEYS')).transfers as [
        Transfer,
      ];
      return (await call('GET', `/transfers/${transfer.attemptId}/receipt`)).status === 200;
    });
  });
  afterAll(async () => {
    await client.end();
    await stack.stop();
  });

  test('reads the history, and may do nothing else', async () => {
    for (const path of [
      '/transfers',
      '/events',
      '/log/checkpoint',
      '/saved-searches',
      `/transfers/${transfer.attemptId}`,
    ])
      expect([path, (await call('GET', path)).status]).toEqual([path, 200]);
    for (const [method, path] of [
      ['GET', '/terminals'],
      ['GET', '/bdks'],
      ['GET', '/operators'],
      ['GET', '/status'],
      ['POST', '/bdks'],
      ['POST', '/loads'],
      ['POST', '/operators'],
      ['POST', `/operators/${auditor.id}/revoke`],
    ] as const)
      expect([
        path,
        ...(await refusal(await call(method, path, method === 'POST' ? {} : undefined))),
      ]).toEqual([path, 403, 'ROLE_FORBIDDEN']);
  });

  test('a token that was revoked opens nothing; a name is not given again; the last operator stays', async () => {
    const other = await stack.api.post<OperatorWithToken>('/operators', { name: 'Second', role: 'auditor' });
    await stack.api.post(`/operators/${other.id}/revoke`, { reason: 'left the company' });
    expect(await refusal(await call('GET', '/transfers', undefined, other.token))).toEqual([
      401,
      'TOKEN_REQUIRED',
    ]);
    const again = call('POST', '/operators', { name: 'Second', role: 'operator' }, stack.token);
    expect(await refusal(await again)).toEqual([409, 'OPERATOR_NAME_TAKEN']);
    const operators = await stack.api.get<{ id: string; role: string }[]>('/operators');
    const only = operators.find(({ role }) => role === 'operator')!;
    const last = call('POST', `/operators/${only.id}/revoke`, { reason: 'oh no' }, stack.token);
    expect(await refusal(await last)).toEqual([409, 'OPERATOR_LAST']);
    const { events } = await get<EventPage>('/events?type=operator');
    const known = events.filter(({ type }) => type !== 'operator.refused' && type !== 'operator.signed-in');
    expect(known.map(({ type, body }) => [type, body['operator']])).toEqual([
      ['operator.revoked', 'operator:Second'],
      ['operator.made', 'operator:Second'],
      ['operator.made', 'operator:Zoë Auditor'],
      ['operator.made', 'operator:operator'],
    ]);
  });

  test('a name stands in one table, and is erased on request; what the person did stays, and can be proven', async () => {
    const name = 'Łucja Leaver';
    const leaver = await stack.api.post<OperatorWithToken>('/operators', { name, role: 'operator' });
    await call('POST', '/operators', { name: 'Third', role: 'auditor' }, leaver.token);
    await call('POST', '/saved-searches', {
      name: 'hers',
      subject: 'events',
      filters: { actor: `operator:${name}` },
    });
    const actsOf = async (actor: string) =>
      (await get<EventPage>(`/events?actor=${encodeURIComponent(actor)}`)).events.map((event) => [
        event.type,
        event.actor,
      ]);
    const filters = async () =>
      (await get<SavedSearch[]>('/saved-searches')).map((saved) => saved.filters['actor']);
    const tablesWithName = async () => {
      const { rows } = await client.query<{ tablename: string }>(
        `select tablename from pg_tables where schemaname in ('public', 'bullmq')
           and (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I.%I t where t::text ~ %L',
             schemaname, tablename, $1 || '|' || encode(convert_to($1, 'UTF8'), 'hex')), false, true, '')))[1]::text <> '0'`,
        [name],
      );
      return rows.map(({ tablename }) => tablename);
    };
    const bundle = (to: string) => {
      const folder = join(stack.folder, to);
      const api = ['--api', stack.httpUrl, '--token-file', stack.tokenFile];
      expect(audit('export', ...api, '--out', folder, '--names')).toMatchObject({ status: 0 });
      const { status, said } = audit(
        'verify',
        folder,
        '--key',
        readFileSync(join(folder, 'key'), 'utf8').trim(),
      );
      return { status, said };
    };
    const erase = () =>
      call('POST', `/operators/${leaver.id}/erase-name`, { reason: 'her right' }, stack.token);

    expect(await actsOf(`operator:${name}`)).toEqual([
      ['operator.made', `operator:${name}`],
      ['operator.signed-in', `operator:${name}`],
    ]);
    expect([await filters(), await tablesWithName()]).toEqual([[`operator:${name}`], ['person_name']]);
    expect(await refusal(await erase())).toEqual([409, 'OPERATOR_ACTIVE']);
    await stack.api.post(`/operators/${leaver.id}/revoke`, { reason: 'resigned' });
    const before = bundle('before the erasure');
    expect([before.status, before.said]).toEqual([0, expect.stringContaining(`is ${name}\n`)]);

    expect(await (await erase()).json()).toMatchObject({ id: leaver.id, name: null });
    expect(await refusal(await erase())).toEqual([409, 'OPERATOR_NAME_ERASED']);
    const [, commitment] = / {2}(operator:[0-9A-F]{64}) is Łucja/.exec(before.said)!;
    expect(await actsOf(commitment!)).toEqual([
      ['operator.made', commitment],
      ['operator.signed-in', commitment],
    ]);
    const { events } = await get<EventPage>('/events?type=operator.name-erased');
    expect(events.map(({ actor, body }) => [actor, body])).toEqual([
      ['operator:operator', { operator: commitment, reason: 'her right' }],
    ]);
    expect([await actsOf(`operator:${name}`), await filters(), await tablesWithName()]).toEqual([
      [],
      [commitment],
      [],
    ]);
    const [saved] = await get<SavedSearch[]>('/saved-searches');
    await call('DELETE', `/saved-searches/${saved!.id}`);
    const after = bundle('after the erasure');
    expect([after.status, after.said]).toEqual([0, expect.not.stringContaining(name)]);
  });

  test('finds a transfer by the check value of its key, and an event by a word of its reason', async () => {
    const { kcvExpected } = transfer.keys.find((key) => key.slot === 'PIN')!;
    const found = await get<TransferPage>(`/transfers?kcv=${kcvExpected}`);
    expect(found.transfers.map((one) => one.attemptId)).toContain(transfer.attemptId);
    const { events } = await get<EventPage>('/events?words=Company');
    expect(events.map(({ type }) => type)).toEqual(['operator.revoked']);
  });

  test('keeps searches that nobody else sees', async () => {
    const search = { name: 'quarantined', subject: 'transfers', filters: { state: 'QUARANTINED' } };
    const saved = (await (await call('POST', '/saved-searches', search)).json()) as SavedSearch;
    expect(saved).toMatchObject(search);
    expect(await refusal(await call('POST', '/saved-searches', search))).toEqual([
      409,
      'SAVED_SEARCH_NAME_TAKEN',
    ]);
    const changed = { name: 'failed', subject: 'transfers', filters: { state: 'FAILED' } };
    await call('PUT', `/saved-searches/${saved.id}`, changed);
    expect(await get('/saved-searches')).toEqual([expect.objectContaining(changed)]);
    expect(await stack.api.get('/saved-searches')).toEqual([]);
    const bad = { name: 'bad', subject: 'events', filters: { state: 'FAILED' } };
    expect(await refusal(await call('POST', '/saved-searches', bad))).toEqual([400, 'VALIDATION']);
    expect((await call('DELETE', `/saved-searches/${saved.id}`, undefined, stack.token)).status).toBe(404);
    expect((await call('DELETE', `/saved-searches/${saved.id}`)).status).toBe(204);
    expect(await get('/saved-searches')).toEqual([]);
  });

  test('verifies the receipt offline, alone and with its entry, with the key kept before', async () => {
    const key = join(stack.folder, 'log.key');
    writeFileSync(key, await bytes('/log/key'));
    const receipt = join(stack.folder, 'receipt.tlog-proof');
    const text = await bytes(`/transfers/${transfer.attemptId}/receipt`);
    writeFileSync(receipt, text);
    expect(audit('receipt', receipt, '--key', key)).toMatchObject({
      status: 0,
      said: expect.stringContaining('its key signed that'),
    });

    const altered = Buffer.from(text);
    const digit = text.indexOf('\n', text.indexOf('index ')) + 5; // base64, in the first hash of the proof
    altered[digit] = altered[digit] === 0x41 ? 0x42 : 0x41;
    writeFileSync(receipt, altered);
    expect(audit('receipt', receipt, '--key', key).status).toBe(13);
    expect((await bytes(`/transfers/${transfer.attemptId}/receipt.svg`)).toString()).toMatch(/^<svg/);

    const folder = join(stack.folder, 'evidence');
    mkdirSync(folder);
    writeFileSync(`${folder}.tar`, await bytes(`/transfers/${transfer.attemptId}/evidence.tar`));
    execFileSync('tar', ['xf', `${folder}.tar`, '-C', folder]);
    expect(audit('verify', folder, '--key', key)).toMatchObject({
      status: 0,
      said: expect.stringContaining('6 of them'),
    });
    const index = /index (\d+)/.exec(text.toString())![1]!;
    writeFileSync(receipt, text);
    const entry = join(folder, 'entry', `${index}.json`);
    expect(audit('receipt', receipt, '--key', key, '--entry', entry).status).toBe(0);
    expect(JSON.parse(readFileSync(entry, 'utf8'))).toMatchObject({
      type: 'attempt.confirmed',
      attempt: transfer.attemptId,
    });
  });

  test('prints the evidence: a PDF', async () => {
    const pdf = await bytes(`/transfers/${transfer.attemptId}/evidence.pdf`);
    if (process.env['OPENKDH_WRITE_PDF']) writeFileSync(process.env['OPENKDH_WRITE_PDF'], pdf);
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
  });

  describe('reports', () => {
    const span = 'from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z';
    const report = (name: string) => get<Report>(`/reports/${name}?${span}`);
    const figure = ({ figures }: Report, name: string) => figures.find((one) => one.name === name)?.value;

    test('uniqueness: holds, and says so where two keys share a check value or two BDKs do', async () => {
      const sound = await report('uniqueness');
      expect([sound.holds, sound.rows, figure(sound, 'KSNs used twice')]).toEqual([true, [], '0']);
      expect(Number(figure(sound, 'Keys in this span'))).toBe(4 * TERMINALS);
      await client.query(`insert into attempt_check_value
        select kcv_expected, '00000000-0000-7000-8000-000000000001' from attempt_key where slot = 'PIN' limit 1`);
      await client.query(`insert into bdk (id, name, scheme, algorithm, key_block, kcv, bdk_id, last_device, max_devices)
        select '00000000-0000-7000-8000-000000000002', 'copy', scheme, algorithm, key_block, kcv, '00000000', last_device,
          max_devices from bdk limit 1`);
      const found = await report('uniqueness');
      expect([found.holds, found.rows.length, figure(found, 'BDKs that share a KCV')]).toEqual([
        false,
        1,
        '1',
      ]);
    });

    test('approvals: who asked and who approved; nobody approves what they asked for', async () => {
      const [terminal] = await stack.api.get<{ id: string }[]>('/terminals?serial=SIM-000001');
      const load = await stack.api.post<{ attempts: { id: string }[] }>('/loads', {
        terminalId: terminal!.id,
        reason: '=repair return',
      });
      expect(load).toBeDefined();
      const [row] = (await report('approvals')).rows;
      expect(row!.slice(2, 7)).toEqual([
        'SIM-000001',
        expect.any(String),
        'operator:operator',
        '=repair return',
        null,
      ]);
      const csv = (await bytes(`/reports/approvals?${span}&format=csv`)).toString();
      expect(csv).toContain(`,'=repair return,`);
      await client.query(
        `insert into attempt_approval (attempt_id, person, role, authentication) values
        ($1, 'operator:operator', 'approver', 'token'), ($1, 'operator:bob', 'approver', 'token')`,
        [row![0]],
      );
      const found = await report('approvals');
      expect([found.holds, figure(found, 'By two or more')]).toEqual([false, '1']);
    });

    test('key inventory: BDKs, KBPKs, the keys of the KDH and of the log', async () => {
      const { rows } = await report('key-inventory');
      const kinds = new Set(rows.map(([kind]) => kind));
      expect(kinds).toEqual(new Set(['BDK', 'KBPK', 'KDH', 'Log', 'Terminal certificate']));
      expect(
        rows.filter(
          ([kind, name, , , state]) => kind === 'KBPK' && name === 'KBPK-AES' && state === 'IN FORCE',
        ),
      ).toEqual([['KBPK', 'KBPK-AES', 'A128', null, 'IN FORCE', String(TERMINALS), expect.any(String)]]);
    });

    test('destruction: blocks of what ended are erased, and one that is not is found', async () => {
      await stack.until('all has ended', async () => (await stack.status()).loads.open === 0);
      const sound = await report('destruction');
      expect([sound.holds, figure(sound, 'Blocks still held after the end')]).toEqual([true, '0']);
      expect(Number(figure(sound, 'Blocks erased'))).toBeGreaterThanOrEqual(4 * TERMINALS);
      await client.query(
        `update attempt_key set key_block = 'D0', burned = true
        where attempt_id = $1 and slot = 'PIN'`,
        [transfer.attemptId],
      );
      const found = await report('destruction');
      expect([found.holds, found.rows.length]).toEqual([false, 1]);
      expect(found.rows[0]!.slice(0, 3)).toEqual(['KSN burned', 'SIM-000002', 'PIN']);
    });

    test('each as PDF; what cannot be asked is refused', async () => {
      for (const name of ['uniqueness', 'approvals', 'key-inventory', 'destruction', 'retention']) {
        const pdf = await bytes(`/reports/${name}?${span}&format=pdf`);
        if (process.env['OPENKDH_WRITE_PDF'])
          writeFileSync(`${process.env['OPENKDH_WRITE_PDF']}-${name}.pdf`, pdf);
        expect([name, pdf.subarray(0, 5).toString()]).toEqual([name, '%PDF-']);
      }
      for (const query of [
        'uniqueness',
        `nonsense?${span}`,
        'approvals?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z',
      ])
        expect([query, ...(await refusal(await call('GET', `/reports/${query}`)))]).toEqual([
          query,
          400,
          'VALIDATION',
        ]);
    });
  });

  test('what is not there is said with a code', async () => {
    const nobody = '0197fa2c-0000-7000-8000-000000000001';
    for (const path of ['', '/receipt', '/receipt.svg', '/evidence.tar', '/evidence.pdf'])
      expect([path, ...(await refusal(await call('GET', `/transfers/${nobody}${path}`)))]).toEqual([
        path,
        404,
        'TRANSFER_UNKNOWN',
      ]);
  });

  test('takes the names of the people in the evidence along, where that is asked for', async () => {
    const key = join(stack.folder, 'log.key');
    writeFileSync(key, await bytes('/log/key'));
    await stack.api.post('/loads/batch', {
      terminalIds: [transfer.terminal.id],
      reason: 'asked by a person',
    });
    let asked = transfer;
    await stack.until('the load that a person asked for has a receipt', async () => {
      [asked] = (await get<TransferPage>('/transfers?terminal=SIM-000002&kind=KEYS')).transfers as [Transfer];
      const { status } = await call('GET', `/transfers/${asked.attemptId}/receipt`);
      return asked.attemptId !== transfer.attemptId && asked.state === 'CONFIRMED' && status === 200;
    });
    const folder = join(stack.folder, 'evidence-with-names');
    mkdirSync(folder);
    const take = async (query: string) => {
      writeFileSync(`${folder}.tar`, await bytes(`/transfers/${asked.attemptId}/evidence.tar${query}`));
      execFileSync('tar', ['xf', `${folder}.tar`, '-C', folder]);
    };
    await take('');
    expect(readdirSync(folder)).not.toContain('names');
    await take('?names=true');
    const [line, ...more] = readFileSync(join(folder, 'names'), 'utf8').trim().split('\n');
    expect([`operator:${JSON.parse(line!).name}`, more]).toEqual([asked.requestedBy, []]);
    expect(audit('verify', folder, '--key', key)).toMatchObject({
      status: 0,
      said: expect.stringContaining(JSON.parse(line!).name),
    });
    const refused = await call('GET', `/transfers/${asked.attemptId}/evidence.tar?names=1`);
    expect(await refusal(refused)).toEqual([400, 'VALIDATION']);
  });
});
