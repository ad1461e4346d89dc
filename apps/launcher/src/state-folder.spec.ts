import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { commandOf } from './processes.ts';
import { openState } from './state-folder.ts';

let parent: string;
let path: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'openkdh-state-'));
  path = join(parent, 'state');
});

afterEach(() => {
  rmSync(parent, { recursive: true });
});

const keep = { fresh: false };
const lockOf = (pid: number, command: string) => {
  mkdirSync(path);
  writeFileSync(join(path, 'OPENKDH-STATE'), '');
  writeFileSync(join(path, 'launcher.lock'), JSON.stringify({ pid, command }));
};

test('the folder is its owner’s alone, also when it was open before', async () => {
  mkdirSync(path, { mode: 0o755 });
  (await openState(path, keep)).release();
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test('what is in it stays, and --fresh removes it', async () => {
  (await openState(path, keep)).release();
  writeFileSync(join(path, 'kept'), '');
  (await openState(path, keep)).release();
  expect(existsSync(join(path, 'kept'))).toBe(true);
  (await openState(path, { fresh: true })).release();
  expect(existsSync(join(path, 'kept'))).toBe(false);
});

test('a folder that is not ours is refused, and left as it is, even with --fresh', async () => {
  mkdirSync(path);
  writeFileSync(join(path, 'thesis.tex'), 'years of work');
  await expect(openState(path, { fresh: true })).rejects.toMatchObject({ code: 'STATE_NOT_OURS' });
  expect(existsSync(join(path, 'thesis.tex'))).toBe(true);
});

describe('the lock', () => {
  test('of a launcher that runs is respected, and names it', async () => {
    const state = await openState(path, keep);
    await expect(openState(path, keep)).rejects.toMatchObject({
      code: 'STATE_IN_USE',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    state.release();
    (await openState(path, keep)).release();
  });

  test('of a killed launcher is taken over', async () => {
    lockOf(2 ** 22 + 1, 'node start.js'); // above the largest process id
    (await openState(path, keep)).release();
  });

  test('with a process id that is another program’s now is taken over', async () => {
    lockOf(process.pid, 'node start.js');
    (await openState(path, keep)).release();
  });

  test('that was written in part is taken over', async () => {
    lockOf(1, '');
    writeFileSync(join(path, 'launcher.lock'), '{"pid":');
    (await openState(path, keep)).release();
  });
});

test('a process that a killed launcher left behind is ended first', async () => {
  const marker = 'left-behind-by-a-launcher';
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', marker], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    expect(commandOf(child.pid!)).toContain(marker);
    lockOf(2 ** 22 + 1, 'node start.js');
    const pids = { part: { pid: child.pid, marker, stop: 'SIGTERM' } };
    writeFileSync(join(path, 'pids.json'), JSON.stringify(pids));
    (await openState(path, keep)).release();
    expect(await ended).toEqual([null, 'SIGTERM']);
  } finally {
    child.kill('SIGKILL');
  }
});

test('a process with the same number and another command line is left alone', async () => {
  lockOf(2 ** 22 + 1, 'node start.js');
  const pids = { part: { pid: process.pid, marker: '/no/such/program', stop: 'SIGKILL' } };
  writeFileSync(join(path, 'pids.json'), JSON.stringify(pids));
  (await openState(path, keep)).release();
});
