/** The libraries as others install them: packed, and used by a program outside of this repository. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const libraries = ['block-ciphers', 'tr31', 'dukpt', 'tr34'];
const folder = mkdtempSync(join(tmpdir(), 'openkdh-packages-'));
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: folder, encoding: 'utf8' });
let packed: { name: string; filename: string; files: { path: string }[] }[];

beforeAll(() => {
  const workspaces = libraries.flatMap((name) => ['-w', `@openkdh/${name}`]);
  const made = execFileSync('npm', ['pack', '--json', '--pack-destination', folder, ...workspaces], {
    cwd: root,
    encoding: 'utf8',
  });
  packed = JSON.parse(made);
  for (const { name, filename } of packed) {
    const place = join(folder, 'node_modules', name);
    mkdirSync(place, { recursive: true });
    run('tar', 'xzf', filename, '--strip-components=1', '-C', place);
  }
  for (const theirs of ['node-forge', '@types']) {
    symlinkSync(join(root, 'node_modules', theirs), join(folder, 'node_modules', theirs));
  }
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  writeFileSync(join(folder, 'program.ts'), program);
});
afterAll(() => rmSync(folder, { recursive: true }));

const program = `
import { kcvTdes } from '@openkdh/block-ciphers';
import { deriveTdesInitialKey, DukptError } from '@openkdh/dukpt';
import { kbpk, type KeyBlockHeader, Tr31Error, unwrap } from '@openkdh/tr31';
import { inspectKeyBlock, type ProfileName } from '@openkdh/tr31/header';
import { lmkHandle } from '@openkdh/tr31/thales';
import { openKeyToken, Tr34Error } from '@openkdh/tr34';
import { describeToken, type TokenDescription } from '@openkdh/tr34/tokens';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();
const bytes = (digits: string): Uint8Array => Buffer.from(digits, 'hex');
const initialKey: Uint8Array = deriveTdesInitialKey(
  bytes('0123456789ABCDEFFEDCBA9876543210'),
  bytes('FFFF9876543210E00001'),
);
const header: KeyBlockHeader = {
  versionId: 'D',
  keyUsage: 'B1',
  algorithm: 'T',
  modeOfUse: 'X',
  keyVersion: '00',
  exportability: 'N',
  keyContext: '0',
  optionalBlocks: [{ id: 'KS', data: 'FFFF9876543210E00000' }],
};
const profile: ProfileName = 'strict';
const block: string = kbpk(new Uint8Array(16)).wrap(header, initialKey, { profile });
const show: (token: Uint8Array) => TokenDescription = describeToken;
console.log(
  hex(unwrap(new Uint8Array(16), block).key),
  hex(kcvTdes(initialKey)),
  inspectKeyBlock(block).findings.length,
  [DukptError, Tr31Error, Tr34Error, lmkHandle, openKeyToken, show].every((it) => typeof it === 'function'),
);
`;

test('a program compiles against the declarations, all of which are checked too', () => {
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const compiled = () =>
    run(process.execPath, join(root, 'node_modules/typescript/bin/tsc'), ...options, 'program.ts');
  expect(compiled()).toBe('');
});

test('and runs', () => {
  expect(run(process.execPath, 'program.js')).toBe('6AC292FAA1315B4D858AB3A3D7D5933A AF8C07 0 true\n');
});

test('a package holds what it exports and its sources, no tests', () => {
  expect(packed.map(({ name }) => name).sort()).toEqual(libraries.map((name) => `@openkdh/${name}`).sort());
  for (const { files } of packed) {
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['package.json', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']),
    );
    expect(
      paths.filter((path) => !/^(?:package\.json|(?:dist|src)\/.*)$/.test(path) || path.includes('.spec.')),
    ).toEqual([]);
  }
});
