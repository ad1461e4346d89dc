import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { commandOf, gone, runs } from './processes.ts';

const beyondAll = 2 ** 22 + 1; // above the largest process id

test('a process is known by its command line', () => {
  expect(commandOf(process.pid)).toContain('node');
  expect(runs(process.pid, 'node')).toBe(true);
  expect(runs(process.pid, '/no/such/program')).toBe(false);
  expect(commandOf(beyondAll)).toBe('');
});

test('one that has ended but was not reaped counts as gone', async () => {
  // When the first child ends, its parent is no shell any more but a program that never waits for children.
  const shell = spawn('/bin/sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 30']);
  const [line] = (await once(shell.stdout!, 'data')) as [Buffer];
  expect(await gone(Number(line.toString()), 'sleep', 10_000)).toBe(true);
  expect(process.kill(Number(line.toString()), 0)).toBe(true); // the number is still taken
  shell.kill('SIGKILL');
});

test('waiting for a process that stays ends after its time', async () => {
  expect(await gone(process.pid, 'node', 50)).toBe(false);
});
