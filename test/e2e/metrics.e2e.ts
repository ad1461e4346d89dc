import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { Stack } from '../support/stack.ts';

const operations = join(import.meta.dirname, '../../docs/operations');
const metricsToken = 'metrics-and-nothing-else';
const TERMINALS = 2;

interface Rules {
  groups: { rules: { alert: string; expr: string }[] }[];
}
interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
}

describe('metrics', () => {
  let stack: Stack;
  const get = (token: string) =>
    fetch(`${stack.httpUrl}/api/v1/metrics`, { headers: { authorization: `Bearer ${token}` } });
  const text = async () => (await get(metricsToken)).text();
  const value = async (line: string) => {
    const found = (await text()).split('\n').find((candidate) => candidate.startsWith(`${line} `));
    return found === undefined ? undefined : Number(found.slice(line.length + 1));
  };

  beforeAll(async () => {
    stack = await Stack.start({ serverEnvironment: { KDH_METRICS_TOKEN: metricsToken } });
    await stack.startFleet(TERMINALS);
    await stack.untilConfirmed(TERMINALS);
  });
  afterAll(() => stack?.stop());

  test('their token opens nothing else, and an operator token does not open them', async () => {
    expect((await get(metricsToken)).headers.get('content-type')).toContain('text/plain');
    expect((await get(stack.token)).status).toBe(401);
    expect((await get('')).status).toBe(401);
    const headers = { authorization: `Bearer ${metricsToken}` };
    expect((await fetch(`${stack.httpUrl}/api/v1/status`, { headers })).status).toBe(401);
  });

  test('attempts, sessions, queue, HSM, KSNs and certificates', async () => {
    expect(await value('kdh_attempts_entered_total{state="CONFIRMED"}')).toBe(2 * TERMINALS);
    expect(await value('kdh_attempts_open{state="SENT"}')).toBe(0);
    expect(await value('kdh_attempt_state_seconds_count{state="SENT"}')).toBe(2 * TERMINALS);
    expect(await value('kdh_sessions{node="kdh-server"}')).toBe(TERMINALS);
    for (const waiting of ['kdh_queue_jobs{state="waiting"}', 'kdh_outbox_rows']) {
      await stack.until(`${waiting} is 0`, async () => (await value(waiting)) === 0); // what was queued twice is looked at
    }
    expect(await value('kdh_ksn_left{bdk="AES DUKPT"}')).toBe(Math.floor((2 ** 32 - 1) * 0.99) - TERMINALS);
    expect(await value('kdh_certificate_not_after_timestamp_seconds{certificate="root"}')).toBeGreaterThan(
      Date.now() / 1_000,
    );
    expect(
      await value('kdh_node_certificate_not_after_timestamp_seconds{certificate="gateway-tls"}'),
    ).toBeGreaterThan(Date.now() / 1_000);
    expect(await text()).toMatch(/kdh_hsm_operation_seconds_count\{operation="generateKey"\} [1-9]/);
  });

  test('every metric of the alerts and the dashboard is there, with its help', async () => {
    const exposed = await text();
    const rules = load(readFileSync(join(operations, 'alerts.yml'), 'utf8')) as Rules;
    const { panels } = JSON.parse(readFileSync(join(operations, 'dashboard.json'), 'utf8')) as Dashboard;
    const expressions = [
      ...rules.groups.flatMap((group) => group.rules.map(({ alert, expr }) => [alert, expr] as const)),
      ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
    ];
    const named = expressions.flatMap(([where, expr]) =>
      [...expr.matchAll(/\b(?:kdh|nodejs)_\w+/g)].map(
        ([name]) => `${where}: ${name.replace(/_bucket$/, '')}`,
      ),
    );
    expect(named.length).toBeGreaterThan(20);
    const unknown = named.filter((name) => !exposed.includes(`# HELP ${name.split(': ')[1]} `));
    expect(unknown).toEqual([]);
  });

  test('no metric of ours is left out of both', async () => {
    const ours = [...(await text()).matchAll(/^# HELP (kdh_\w+) /gm)].map(([, name]) => name!);
    const documents = ['alerts.yml', 'dashboard.json'].map((file) =>
      readFileSync(join(operations, file), 'utf8'),
    );
    expect(ours.filter((name) => !documents.join('\n').includes(name))).toEqual([]);
  });
});
