import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import { certificationRequests, makeIdentity } from '../../apps/terminal-sim/src/identity.ts';
import { Stack } from '../support/stack.ts';

const terminals = 12;
/** The fleet's process is killed so long after its start: while it makes keys, enrols, binds, loads. */
const killsMs = [150, 300, 450, 600, 800, 1_000, 1_500];

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start();
});
afterAll(() => stack.stop());

test('an enrolment whose answer was lost is asked for again, with the same keys', async () => {
  const serial = 'TWICE-1';
  const request = async () => ({
    serial,
    model: 'test',
    profileId: await provisionKeys(stack.api),
    csrs: await certificationRequests(serial, await makeIdentity()),
  });
  const [first, second] = [await request(), await request()];
  const [answer, meanwhile] = await Promise.all(
    [first, first].map((body) => stack.api.post('/terminals', body)),
  );
  expect(meanwhile).toEqual(answer);
  expect(await stack.api.post('/terminals', first)).toEqual(answer);
  await expect(stack.api.post('/terminals', second)).rejects.toThrow(/SERIAL_TAKEN|409/);
});

test('terminals that lose their power again and again end with one key for each slot, all different', async () => {
  const oracle = join(stack.folder, 'oracle');
  await stack.startFleet(terminals, ['--oracle', oracle]);
  for (const afterMs of killsMs) {
    await sleep(afterMs);
    await stack.kill9('terminal-sim');
    await stack.startPart('terminal-sim');
  }
  await stack.until(
    'every terminal is loaded',
    async () => readOracle(oracle).length === 2 * terminals && (await stack.status()).loads.open === 0,
    60_000,
  );
  const keys = readOracle(oracle);
  for (const field of ['sha256', 'ksn'] as const) {
    expect(new Set(keys.map((key) => key[field])).size).toBe(2 * terminals);
  }
  expect(new Set(keys.map(({ serial }) => serial)).size).toBe(terminals);
  const { loads } = await stack.status();
  expect(loads).toMatchObject({ failed: 0 });
  expect(await stack.stopPart('terminal-sim')).toBe('exit code 0');
});

function readOracle(file: string): { serial: string; ksn: string; sha256: string }[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
