import fs, { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { formatNote, parseCheckpoint } from '@openkdh/transparency-log';
import fc from 'fast-check';
import { parseState, type WitnessState } from './state.ts';
import { createState, type FileCalls, readState, StateFile } from './state-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'openkdh-witness-'));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;
const newPath = () => join(folder, `state-${made++}`);

const root = Buffer.alloc(32, 7).toString('base64');
const noteOf = (origin: string, size: number) => {
  const text = `${origin}\n${size}\n${root}\n`;
  const note = formatNote({ text, signatures: [{ name: origin, keyId: 1, signature: new Uint8Array(64) }] });
  return { note, checkpoint: parseCheckpoint(text) };
};
const stateOf = (size: number): WitnessState => ({
  name: 'auditor.example/w',
  logs: new Map([['kdh.test', { latest: noteOf('kdh.test', size), unproven: noteOf('kdh.test', 9).note }]]),
});
const sizeIn = (path: string) => readState(path).state.logs.get('kdh.test')?.latest.checkpoint.size;

describe('the file', () => {
  test('has the key, mode 0600, and comes back as it was', () => {
    const path = newPath();
    const { key } = createState(path, 'auditor.example/w');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const file = new StateFile(path);
    expect(file.signer.key).toEqual(key);
    file.replace(stateOf(5));
    expect(readState(path)).toMatchObject({ state: stateOf(5) });
    expect(readState(path).signer.key).toEqual(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    file.close();
  });

  test('is never made anew over an old one, nor without a name', () => {
    const path = newPath();
    createState(path, 'auditor.example/w');
    const before = readFileSync(path);
    expect(() => createState(path, 'auditor.example/w')).toThrow(/EEXIST/);
    expect(readFileSync(path)).toEqual(before);
    expect(() => createState(newPath(), 'two words')).toThrow(/key name/);
  });

  test('whatever it holds, it is read or refused, without a word of the key', () => {
    const path = newPath();
    createState(path, 'auditor.example/w');
    new StateFile(path).replace(stateOf(5));
    const good = readFileSync(path);
    const digits = good.toString('latin1').slice(0, good.indexOf('\n'));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Uint8Array.from(good);
        bytes[at]! ^= change;
        try {
          parseState(bytes);
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^TLOG_/);
          expect(String(error)).not.toContain(digits.slice(40, 60));
        }
      }),
      { numRuns: 500 },
    );
    for (let length = 0; length < good.length; length++) {
      expect(() => parseState(good.subarray(0, length))).toThrow();
    }
    expect(() => readState(join(folder, 'absent'))).toThrow(/ENOENT/);
  });
});

/** The system calls until `count` of them are done; then the process is killed. `writeSync` writes 100 bytes at most. */
function callsUntil(count: number): FileCalls & { done: string[] } {
  const done: string[] = [];
  const names = Object.keys(fs).filter((name) => name.endsWith('Sync')) as (keyof FileCalls)[];
  const call =
    (name: keyof FileCalls) =>
    (...args: unknown[]) => {
      if (done.length >= count) throw new Error('killed');
      done.push(name);
      if (name === 'writeSync') args[3] = Math.min(args[3] as number, 100);
      return (fs[name] as (...args: unknown[]) => unknown)(...args);
    };
  return { ...(Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as FileCalls), done };
}

describe('a replacement', () => {
  test('killed before any system call leaves the old state or the new, and the next process goes on', () => {
    const outcomes: string[] = [];
    for (let count = 2; ; count++) {
      const path = newPath();
      createState(path, 'auditor.example/w');
      new StateFile(path).replace(stateOf(5));
      const calls = callsUntil(count); // the first two read the file
      const file = new StateFile(path, calls);
      let killed = false;
      try {
        file.replace(stateOf(6));
      } catch (error) {
        expect((error as Error).message).toBe('killed');
        killed = true;
      }
      const found = sizeIn(path);
      outcomes.push(killed ? String(found) : `returned ${found}`);
      const next = new StateFile(path);
      next.replace(stateOf(7));
      expect(sizeIn(path)).toBe(7n);
      if (!killed) break;
    }
    // While it is written, synced, closed and compared: 5. From the rename on: 6. Only then does it return.
    expect(outcomes.join(' ')).toMatch(/^(5 ){8,}(6 ){3}returned 6$/);
  });

  test('is synced before it gets its name, and the folder after', () => {
    const path = newPath();
    createState(path, 'auditor.example/w');
    const calls = callsUntil(1_000);
    new StateFile(path, calls).replace({ name: 'auditor.example/w', logs: new Map() });
    expect(calls.done.filter((name) => name !== 'writeSync').join(' ')).toBe(
      'rmSync readFileSync openSync fsyncSync closeSync readFileSync renameSync openSync fsyncSync closeSync',
    );
  });

  test('of a second process on one file is refused, and so is what follows', () => {
    const path = newPath();
    createState(path, 'auditor.example/w');
    const [one, other] = [new StateFile(path), new StateFile(path)];
    one.replace(stateOf(5));
    for (let n = 0; n < 2; n++) expect(() => other.replace(stateOf(6))).toThrow(/another process/);
    expect(sizeIn(path)).toBe(5n);
    one.replace(stateOf(7));
    expect(sizeIn(path)).toBe(7n);
  });

  test('that another process is in the middle of is refused', () => {
    const path = newPath();
    createState(path, 'auditor.example/w');
    const file = new StateFile(path);
    writeFileSync(`${path}.new`, 'half');
    expect(() => file.replace(stateOf(5))).toThrow(/EEXIST/);
    expect(readFileSync(`${path}.new`, 'utf8')).toBe('half');
  });

  test('that finds no room leaves nothing behind, and works when there is some', () => {
    const path = newPath();
    createState(path, 'auditor.example/w');
    let full = true;
    const file = new StateFile(path, {
      ...fs,
      fsyncSync: (descriptor) => {
        if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'fsync' });
        fs.fsyncSync(descriptor);
      },
    });
    expect(() => file.replace(stateOf(5))).toThrow(/ENOSPC/);
    expect(existsSync(`${path}.new`)).toBe(false);
    full = false;
    file.replace(stateOf(5));
    expect(sizeIn(path)).toBe(5n);
  });
});
