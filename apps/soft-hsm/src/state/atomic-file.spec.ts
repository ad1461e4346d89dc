import fs, { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type FileCalls, writeFileAtomically } from './atomic-file.ts';

const names = ['openSync', 'writeSync', 'fsyncSync', 'closeSync', 'renameSync'] as const;
const oldContents = Buffer.from('old contents');
const newContents = Buffer.from('new contents, and longer ones');

/** The system calls until `count` of them are done; then the power is cut. `writeSync` writes 10 bytes at most. */
function callsUntil(count: number): FileCalls & { done: string[] } {
  const done: string[] = [];
  const call = (name: (typeof names)[number]) =>
    ((...args: unknown[]) => {
      if (done.length >= count) throw new Error('power cut');
      done.push(name);
      if (name === 'writeSync') args[3] = Math.min(args[3] as number, 10);
      return (fs[name] as (...args: unknown[]) => unknown)(...args);
    }) as never;
  return { ...(Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as FileCalls), done };
}

describe('writeFileAtomically', () => {
  test('a power cut before any system call leaves the old contents or the new', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'atomic-')), 'file');
    const outcomes: string[] = [];
    for (let count = 0; ; count += 1) {
      writeFileSync(path, oldContents);
      const calls = callsUntil(count);
      try {
        writeFileAtomically(path, newContents, calls);
        break;
      } catch (error) {
        expect((error as Error).message).toBe('power cut');
      }
      const contents = readFileSync(path);
      expect(contents.equals(oldContents) || contents.equals(newContents)).toBe(true);
      outcomes.push(contents.equals(oldContents) ? 'old' : 'new');
    }
    // open, three writes, fsync, close, rename: old; then the folder is synced: new.
    expect(outcomes.join(' ')).toBe('old old old old old old old new new new');
    expect(readFileSync(path).equals(newContents)).toBe(true);
  });

  test('the file is synced before it gets its name, and the folder after', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'atomic-')), 'file');
    const calls = callsUntil(100);
    writeFileAtomically(path, Buffer.from('short'), calls);
    expect(calls.done).toEqual([
      'openSync',
      'writeSync',
      'fsyncSync',
      'closeSync',
      'renameSync',
      'openSync',
      'fsyncSync',
      'closeSync',
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('what a crash left behind is written over', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'atomic-')), 'file');
    writeFileSync(`${path}.tmp`, 'half of something much longer than the new contents');
    writeFileAtomically(path, newContents);
    expect(readFileSync(path).equals(newContents)).toBe(true);
  });
});
