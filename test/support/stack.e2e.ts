import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Stack } from './stack.ts';

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({ ownPostgres: true });
});

afterAll(() => stack.stop());

test('a fleet gets its keys from a stack, though each part of it is killed once and started again', async () => {
  await stack.startFleet(2);
  for (const name of ['kdh-server', 'soft-hsm', 'postgres', 'terminal-sim'] as const) {
    await stack.kill9(name);
    await stack.startPart(name);
  }
  await stack.untilConfirmed(2);
  expect((await stack.status()).terminals.enrolled).toBe(2);
  expect(Object.keys(stack.logs()).sort()).toEqual(
    expect.arrayContaining(['kdh-server', 'postgres', 'soft-hsm', 'terminal-sim']),
  );
});

test('waiting fails at once when a part has ended by itself', async () => {
  process.kill(stack.pidOf('soft-hsm'), 'SIGKILL');
  await expect(stack.until('the sun rises in the west', () => false)).rejects.toThrow(
    'soft-hsm ended (SIGKILL) while waiting until the sun rises in the west',
  );
});
