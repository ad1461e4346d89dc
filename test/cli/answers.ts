import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { expect } from '@jest/globals';
import { openkdh } from './transcript.ts';

/** Starts a command of `openkdh`. */
export const start = (command: string, ...options: string[]): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, [openkdh, ...command.split(' '), ...options]);

/** Sends lines to a command, and returns what came back for each. */
export async function answersTo(
  command: string,
  lines: Iterable<unknown>,
): Promise<Record<string, unknown>[]> {
  const child = start(command, '--json');
  const input = Readable.from(
    (function* () {
      for (const line of lines) yield `${JSON.stringify(line)}\n`;
    })(),
  );
  const [output, complaints] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    pipeline(input, child.stdin),
    once(child, 'close'),
  ]);
  expect({ complaints, exitCode: child.exitCode }).toEqual({ complaints: '', exitCode: 0 });
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
