import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectPayShield } from '@openkdh/hsm-client';
import pg from 'pg';
import type { TransferPage } from '../../apps/kdh-server/src/audit/transfers.schemas.ts';
import { hsmSocketOf } from '../../apps/launcher/src/parts.ts';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import { applicationUrlOf } from '../support/postgres.ts';
import { Stack } from '../support/stack.ts';

const root = join(import.meta.dirname, '../..');

describe('what the KDH needs goes away and comes back', () => {
  let stack: Stack;
  const ready = async () => (await fetch(`${stack.httpUrl}/api/v1/ready`)).status;
  const confirmed = async (loadId: string) => {
    const { attempts } = await stack.api.get<{ attempts: { state: string }[] }>(`/loads/${loadId}`);
    return attempts[0]?.state === 'CONFIRMED';
  };
  const reload = async (serial: string) => {
    const [terminal] = await stack.api.get<{ id: string }[]>(`/terminals?serial=${serial}`);
    return (
      await stack.api.post<{ id: string }>('/loads', { terminalId: terminal!.id, reason: 'outage test' })
    ).id;
  };

  beforeAll(async () => {
    stack = await Stack.start({ ownPostgres: true });
    await stack.startFleet(3);
    await stack.untilConfirmed(3);
  });
  afterAll(() => stack.stop());

  test('an HSM that is down: not ready, new keys are refused with a code, a load waits and is confirmed later', async () => {
    await stack.kill9('soft-hsm');
    await stack.until('kdh-server says that it is not ready', async () => (await ready()) === 503);
    const response = await fetch(`${stack.httpUrl}/api/v1/bdks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'no HSM', scheme: 'AES', algorithm: 'A128' }),
    });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: expect.stringMatching(/^HSM_(UNREACHABLE|CIRCUIT_OPEN|TIMEOUT)$/),
    });
    const load = await reload('SIM-000001');
    await stack.startPart('soft-hsm');
    await stack.until('the load is confirmed', () => confirmed(load), 90_000);
    await stack.until('kdh-server is ready', async () => (await ready()) === 200);
  });

  test('an HSM that is slow: the load waits for it, the others go on', async () => {
    process.kill(stack.pidOf('soft-hsm'), 'SIGSTOP');
    const load = await reload('SIM-000002');
    await new Promise((resolve) => setTimeout(resolve, 7_000)); // longer than the adapter waits
    expect(await confirmed(load)).toBe(false);
    process.kill(stack.pidOf('soft-hsm'), 'SIGCONT');
    await stack.until('the load is confirmed', () => confirmed(load), 90_000);
  });

  test('an HSM that answers an error: the attempt ends with its code, the KSN is burned, the others go on', async () => {
    const hsm = await connectPayShield({
      endpoints: [{ transport: 'unix', path: hsmSocketOf(stack.folder) }],
    });
    // A BDK that is never exportable: what is derived from it is not either, and the HSM refuses to export it (AA).
    const wrong = await hsm.generateKey({
      usage: 'B0',
      algorithm: 'A128',
      modeOfUse: 'X',
      exportability: 'N',
    });
    await hsm.close();
    const bdk = await stack.api.post<{ id: string }>('/bdks', {
      name: 'not exportable',
      scheme: 'AES',
      algorithm: 'A128',
      lmkKeyBlock: wrong.keyBlock,
    });
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    const slots = [{ slot: 'PIN', bdkId: bdk.id, algorithm: 'A128', keyBlockVersion: 'D' }];
    await client.query('update profile set slots = $2 where id = $1', [
      await provisionKeys(stack.api),
      JSON.stringify(slots),
    ]);
    await client.end();
    const load = await reload('SIM-000003');
    await stack.until('the attempt has ended', async () => {
      const { attempts } = await stack.api.get<{ attempts: { state: string }[] }>(`/loads/${load}`);
      return attempts[0]?.state === 'FAILED';
    });
    const { transfers } = await stack.api.get<TransferPage>('/transfers?terminal=SIM-000003&state=FAILED');
    expect(transfers).toHaveLength(1);
    expect(transfers[0]).toMatchObject({
      reasonCode: 'HSM_REFUSED_AA',
      keys: [{ slot: 'PIN', ksnBurned: true, sha256: null }],
    });
  });

  test('a database that could forget a commit: the server says so in one line and does not start', () => {
    const url = new URL(applicationUrlOf(stack.databaseUrl));
    url.searchParams.set('options', '-c synchronous_commit=off');
    const { status, stdout } = spawnSync(process.execPath, [join(root, 'apps/kdh-server/dist/main.js')], {
      encoding: 'utf8',
      env: {
        KDH_DATABASE_URL: url.href,
        KDH_HSM_URL: `unix:${hsmSocketOf(stack.folder)}`,
        KDH_HTTP_PORT: '0',
        KDH_TERMINAL_PORT: '0',
        KDH_STATE_DIR: join(stack.folder, 'second-server'),
      },
      timeout: 60_000,
    });
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
    expect([status, last]).toMatchObject([
      1,
      { level: 'fatal', event: 'start.failed', code: 'DATABASE_UNSAFE' },
    ]);
    expect(last.msg).toContain('synchronous_commit');
  });

  test('a database that is down: 503 with a code, nothing is lost, work goes on when it is back', async () => {
    await stack.kill9('postgres');
    await stack.until('kdh-server says that it is not ready', async () => (await ready()) === 503);
    const response = await fetch(`${stack.httpUrl}/api/v1/status`, {
      headers: { authorization: `Bearer ${stack.token}` },
    });
    expect([response.status, await response.json()]).toMatchObject([503, { code: 'DATABASE_UNAVAILABLE' }]);
    expect((await fetch(`${stack.httpUrl}/api/v1/health`)).status).toBe(200);
    await stack.startPart('postgres');
    await stack.until('kdh-server is ready', async () => (await ready()) === 200, 60_000);
    await stack.until(
      'every terminal is connected',
      async () => (await stack.status()).terminals.connected === 3,
      60_000,
    );
    expect((await stack.status()).loads).toMatchObject({ confirmed: 5, failed: 1, open: 0 });
  });
});
