import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { OperatorWithToken } from '../../apps/kdh-server/src/operators/operators.schemas.ts';
import { certificationRequests, makeIdentity } from '../../apps/terminal-sim/src/identity.ts';
import { Stack } from '../support/stack.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/audit-log.md'), 'utf8');
/** Route and events of each line of the table "Which act writes which event". */
const documented = [...document.matchAll(/^\| `([A-Z]+ \/api\/v1\/[^`]*)` \| (.*) \|$/gm)].map(
  ([, route, events]) =>
    [route!, [...events!.matchAll(/`([a-z]+\.[a-z-]+)`/g)].map(([, type]) => type!)] as const,
);

const openkdh = join(import.meta.dirname, '../../apps/cli/openkdh.js');
const SPAN = 'from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z';

describe('every act of the API', () => {
  let stack: Stack;
  let client: pg.Client;
  const rows = async <Row>(text: string, parameters: unknown[] = []) =>
    (await client.query(text, parameters)).rows as Row[];
  const call = async (method: string, path: string, body?: unknown, token = stack.token) => {
    const response = await fetch(`${stack.httpUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text;
  };
  const made = async (path: string, body: unknown) =>
    (JSON.parse(await call('POST', path, body)) as { id: string }).id;
  const lastEvent = async () =>
    (await rows<{ id: string }>('select coalesce(max(id), 0)::text as id from audit_event'))[0]!.id;
  const typesSince = async (id: string) =>
    (
      await rows<{ type: string }>(
        `select type from audit_event where id > $1 and actor like 'operator:%' order by id`,
        [id],
      )
    ).map(({ type }) => type);

  beforeAll(async () => {
    stack = await Stack.start();
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    await stack.startFleet(2);
    await stack.untilConfirmed(2);
  }, 120_000);
  afterAll(async () => {
    await client?.end();
    await stack?.stop();
  });

  test('writes the event that docs/audit-log.md says, and no other', async () => {
    const reason = 'as a test';
    const bdk = { scheme: 'AES', algorithm: 'A128' };
    const bdkId = await made('/bdks', { ...bdk, name: 'mine' });
    const profile = (name: string) => ({
      name,
      slots: [{ slot: 'S', bdkId, algorithm: 'A128', keyBlockVersion: 'D' }],
    });
    const profileId = await made('/profiles', profile('mine'));
    const terminal = async (serial: string) => {
      const csrs = await certificationRequests(serial, await makeIdentity());
      return { serial, model: 'M', profileId, csrs };
    };
    const other = await terminal('MINE-2');
    const mine = await made('/terminals', await terminal('MINE-1'));
    const colleague = await made('/operators', { name: 'Colleague', role: 'operator' });
    const second = JSON.parse(
      await call('POST', '/operators', { name: 'Second person', role: 'operator' }),
    ) as OperatorWithToken;
    await call('GET', '/bdks', undefined, second.token);
    const doomed = await made('/bdks', { ...bdk, name: 'doomed' });
    await call('POST', `/bdks/${doomed}/freeze`, { reason });
    const [one, two] = await rows<{ id: string }>(
      `select id from terminal where serial ~ 'SIM' order by serial`,
    );
    const [{ id: attempt }] = (await rows(
      `select id from attempt where state = 'CONFIRMED' and kind = 'KEYS' limit 1`,
    )) as [{ id: string }];
    await stack.until('evidence is there', async () =>
      call('GET', `/transfers/${attempt}/receipt`).then(
        () => true,
        () => false,
      ),
    );
    const incident = randomUUID();
    await rows(`insert into incident (id, kind) values ($1, 'LOG_CONTRADICTED')`, [incident]);
    const search = { name: 'mine', subject: 'transfers', filters: {} };

    const acts: Record<string, () => Promise<unknown>> = {
      'POST /api/v1/operators': () => call('POST', '/operators', { name: 'Another', role: 'auditor' }),
      'POST /api/v1/operators/{id}/revoke': () => call('POST', `/operators/${colleague}/revoke`, { reason }),
      'POST /api/v1/operators/{id}/erase-name': () =>
        call('POST', `/operators/${colleague}/erase-name`, { reason }),
      'POST /api/v1/bdks': () => call('POST', '/bdks', { ...bdk, name: 'another' }),
      'POST /api/v1/bdks/{id}/freeze': () => call('POST', `/bdks/${bdkId}/freeze`, { reason }),
      'POST /api/v1/bdks/{id}/release': () => call('POST', `/bdks/${bdkId}/release`, { reason }),
      'POST /api/v1/bdks/{id}/max-devices': () =>
        call('POST', `/bdks/${bdkId}/max-devices`, { maxDevices: 10, reason }),
      'POST /api/v1/bdks/{id}/ask-destruction': () =>
        call('POST', `/bdks/${doomed}/ask-destruction`, { reason }),
      'POST /api/v1/bdks/{id}/destroy': () =>
        call('POST', `/bdks/${doomed}/destroy`, { reason }, second.token),
      'POST /api/v1/profiles': () => call('POST', '/profiles', profile('another')),
      'POST /api/v1/terminals': () => call('POST', '/terminals', other),
      'POST /api/v1/terminals/{id}/suspend': () => call('POST', `/terminals/${mine}/suspend`, { reason }),
      'POST /api/v1/terminals/{id}/resume': () => call('POST', `/terminals/${mine}/resume`, { reason }),
      'POST /api/v1/terminals/{id}/revoke': () => call('POST', `/terminals/${mine}/revoke`, { reason }),
      'POST /api/v1/loads': () => call('POST', '/loads', { terminalId: one!.id, reason }),
      'POST /api/v1/loads/batch': () => call('POST', '/loads/batch', { terminalIds: [two!.id], reason }),
      'POST /api/v1/incidents/{id}/take': () => call('POST', `/incidents/${incident}/take`),
      'POST /api/v1/incidents/{id}/decide': () =>
        call('POST', `/incidents/${incident}/decide`, { decision: 'SETTLED', reason }),
      'GET /api/v1/transfers/export': () => call('GET', '/transfers/export?format=csv'),
      'GET /api/v1/events/export': () => call('GET', '/events/export?format=jsonl&type=operator'),
      'GET /api/v1/transfers/{attemptId}/evidence.tar': () =>
        call('GET', `/transfers/${attempt}/evidence.tar`),
      'GET /api/v1/transfers/{attemptId}/evidence.pdf': () =>
        call('GET', `/transfers/${attempt}/evidence.pdf`),
      'GET /api/v1/reports/{name}': () => call('GET', `/reports/approvals?${SPAN}`),
      'GET /api/v1/log/names': () => call('GET', '/log/names'),
      'GET /api/v1/log/tile/{path}': () => call('GET', '/log/tile/entries/000.p/1'),
      'POST /api/v1/saved-searches': () => call('POST', '/saved-searches', search),
      'PUT /api/v1/saved-searches/{id}': async () => {
        const [saved] = await rows<{ id: string }>('select id from saved_search');
        await call('PUT', `/saved-searches/${saved!.id}`, { ...search, name: 'renamed' });
      },
      'DELETE /api/v1/saved-searches/{id}': async () => {
        const [saved] = await rows<{ id: string }>('select id from saved_search');
        await call('DELETE', `/saved-searches/${saved!.id}`);
      },
    };
    expect(Object.keys(acts).sort()).toEqual(documented.map(([route]) => route).sort());
    const events = new Map(documented);
    for (const [route, act] of Object.entries(acts)) {
      const before = await lastEvent();
      await act();
      const written = await typesSince(before);
      const [first, ...others] = events.get(route)!;
      expect([route, written[0]]).toEqual([route, first]);
      expect([route, written.slice(1).filter((type) => !others.includes(type))]).toEqual([route, []]);
    }
  }, 60_000);

  test('an auditor signs in once, however many requests and exports of the log follow; what is read as a whole is told', async () => {
    const { id, token } = JSON.parse(
      await call('POST', '/operators', { name: 'Zoë Auditor', role: 'auditor' }),
    ) as OperatorWithToken;
    for (let request = 0; request < 3; request++) await call('GET', '/transfers', undefined, token);
    const eventsOf = async () =>
      rows<{ type: string; body: object }>(
        `select type, body from audit_event where actor = (select 'operator:' || commitment from operator where id = $1)
         order by id`,
        [id],
      );
    const signedIn = { type: 'operator.signed-in', body: { address: '127.0.0.1' } };
    expect(await eventsOf()).toEqual([signedIn]);
    await call('GET', '/events/export?format=csv&words=Somebody&actor=operator%3ASomebody', undefined, token);
    for (let tile = 0; tile < 3; tile++) await call('GET', '/log/tile/entries/000.p/1', undefined, token);
    const exported = {
      type: 'history.exported',
      body: { what: 'events', format: 'csv', filters: { words: '…', actor: 'operator:…' } },
    };
    const logRead = { type: 'history.exported', body: { what: 'log', address: '127.0.0.1' } };
    expect(await eventsOf()).toEqual([signedIn, exported, logRead]);

    // As if for an hour nothing came, and to a node that remembers nothing.
    await rows(
      `update operator_session set seen_at = seen_at - interval '1 hour', signed_in_at = signed_in_at - interval '1 hour'
       where operator_id = $1`,
      [id],
    );
    await stack.restart('kdh-server');
    await call('GET', '/log/tile/entries/000.p/1', undefined, token);
    expect((await eventsOf()).map(({ type }) => type)).toEqual([
      'operator.signed-in',
      'history.exported',
      'history.exported',
      'operator.signed-in',
      'history.exported',
    ]);
  }, 60_000);

  describe('the log of the HSM itself', () => {
    /** Exports with the log of the HSM and verifies; returns the exit code, what was said, and the copied log. */
    const audit = (name: string) => {
      const folder = join(stack.folder, name);
      const run = (...args: string[]) => {
        const { status, stdout, stderr } = spawnSync(process.execPath, [openkdh, 'audit', ...args], {
          encoding: 'utf8',
        });
        return { status, said: stdout + stderr };
      };
      const api = ['--api', stack.httpUrl, '--token-file', stack.tokenFile];
      expect(run('export', ...api, '--out', folder, '--hsm-log')).toMatchObject({ status: 0 });
      const verdict = run('verify', folder, '--key', readFileSync(join(folder, 'key'), 'utf8').trim());
      return { ...verdict, log: readFileSync(join(folder, 'hsm-log', 'OPENKDH-SOFT'), 'latin1') };
    };
    /** As the owner of the tables, whom a trigger does not hold. */
    const tamper = (sql: string) =>
      rows(
        `alter table hsm_log_part disable trigger user; ${sql}; alter table hsm_log_part enable trigger user`,
      );

    test('is copied, acknowledged, and exported with the history that anchors its head', async () => {
      await stack.until(
        'an anchor is sealed, and the HSM has been told what is kept',
        async () => {
          const [sealed] = await rows(
            `select 1 from audit_event e join log_entries l on e.id = any(l.event_ids) where e.type = 'hsm.anchored'`,
          );
          const [told] = await rows(
            `select 1 from hsm_log_part where records like '%"event":"acknowledged"%'`,
          );
          return sealed !== undefined && told !== undefined;
        },
        90_000,
      );
      const { status, said, log } = audit('with the log of the HSM');
      expect([status, said]).toEqual([
        0,
        expect.stringMatching(/The log of HSM OPENKDH-SOFT is an unbroken chain of \d+ records/),
      ]);
      const events = log
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { event: string }).event);
      expect(events[0]).toBe('boot');
      expect(events).toContain('command');
    }, 120_000);

    test('that somebody edits in the database is found by whoever verifies', async () => {
      await tamper(
        `update hsm_log_part set records = replace(records, '"event":"boot"', '"event":"Boot"') where first = 1`,
      );
      const { status, said } = audit('with an edited log of the HSM');
      expect([status, said]).toEqual([
        18,
        expect.stringContaining('OPENKDH-SOFT does not continue the one before it'),
      ]);
    }, 60_000);

    test('that is not the one that was copied is told, once', async () => {
      await tamper(`update hsm_log_part set last_hash = repeat('0', 64)
        where first = (select max(first) from hsm_log_part)`);
      const told = () => rows<{ body: object }>(`select body from audit_event where type = 'hsm.log-broken'`);
      await stack.until('it is told', async () => (await told()).length > 0, 60_000);
      const [{ last }] = (await rows('select max(last)::int as last from hsm_log_part')) as [
        { last: number },
      ];
      const times = () => stack.logs()['kdh-server']!.split('"hsm.log-broken"').length;
      const before = times();
      await stack.restart('kdh-server'); // which looks again at once
      await stack.until('it looked again', () => times() > before);
      expect(await told()).toEqual([{ body: { hsm: 'OPENKDH-SOFT', after: last } }]);
    }, 120_000);
  });
});
