import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { postgresBinaries } from './postgres-binaries.ts';

let parent: string;
let state: string;
let home: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'openkdh-binaries-'));
  state = join(parent, 'state');
  home = join(state, 'postgres');
  mkdirSync(home, { recursive: true, mode: 0o700 });
});

afterEach(() => {
  rmSync(parent, { recursive: true });
});

/** Runs a program as `postgresBinaries` says. */
function output(binaries: ReturnType<typeof postgresBinaries>, program: 'initdb' | 'postgres'): string {
  const { file, args, ...options } = binaries.command(program, ['--version']);
  return spawnSync(file, args, { ...options, encoding: 'utf8' }).stdout;
}

test('the programs run here: their libraries are found', () => {
  const binaries = postgresBinaries(home);
  expect(output(binaries, 'initdb')).toMatch(/^initdb \(PostgreSQL\) 18\./);
  expect(output(binaries, 'postgres')).toMatch(/^postgres \(PostgreSQL\) 18\./);
});

// Only root needs, and is able, to run them as somebody else: skipped for an ordinary user.
const isRoot = process.getuid?.() === 0;
(isRoot ? describe : describe.skip)('root, where user namespaces are forbidden', () => {
  const nobody = { uid: 65_534, gid: 65_534 };
  const path = process.env['PATH'];
  let tools: string;

  beforeEach(() => {
    tools = mkdtempSync(join(tmpdir(), 'openkdh-tools-')); // all that is needed but unshare
    chmodSync(tools, 0o755);
    for (const tool of ['id', 'test', 'chown']) {
      const found = ['/usr/bin', '/bin'].map((folder) => join(folder, tool)).find(existsSync);
      symlinkSync(found!, join(tools, tool));
    }
    process.env['PATH'] = tools;
  });

  afterEach(() => {
    process.env['PATH'] = path;
    rmSync(tools, { recursive: true });
  });

  test('runs them as nobody, who may pass through the state folder and no more', () => {
    chmodSync(parent, 0o755);
    const here = dirname(fileURLToPath(import.meta.url));
    if (spawnSync('test', ['-x', here], nobody).status !== 0) {
      // A clone in a closed folder, say /root: then there is no way, and that is what it must say.
      expect(() => postgresBinaries(home)).toThrow(
        expect.objectContaining({ code: 'POSTGRES_NEEDS_A_USER' }),
      );
      return;
    }
    const binaries = postgresBinaries(home);
    expect(binaries.command('postgres', [])).toMatchObject(nobody);
    expect(output(binaries, 'postgres')).toMatch(/^postgres \(PostgreSQL\) 18\./);
    expect([statSync(state).uid, statSync(state).mode & 0o777]).toEqual([0, 0o710]);
    expect([statSync(home).uid, statSync(home).mode & 0o777]).toEqual([nobody.uid, 0o700]);
  });

  test('refuses below a folder that nobody may not enter, and names it', () => {
    expect(() => postgresBinaries(home)).toThrow(
      expect.objectContaining({
        code: 'POSTGRES_NEEDS_A_USER',
        message: expect.stringContaining(`user nobody may not enter ${parent}`),
      }),
    );
  });
});
