// Breaks the rules of breaks.ts, one after the other, in a copy of the tree, and runs the test that must notice:
// `npm run teeth [-- PART OF A RULE …]`. Ends with exit code 1 when a break went unnoticed, or its test is red without it.
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Break, breaks } from './breaks.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const parts = process.argv.slice(2);
const wanted = breaks.filter(({ rule }) => parts.length === 0 || parts.some((part) => rule.includes(part)));

const copy = mkdtempSync(join(tmpdir(), 'openkdh-teeth-'));
try {
  copyTree();
  run('npx', ['tsc', '-b']);
  const unnoticed = wanted.filter((broken) => !isNoticed(broken));
  console.log(`${wanted.length - unnoticed.length} of ${wanted.length} broken rules were noticed`);
  process.exitCode = unnoticed.length === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true });
}

function isNoticed(broken: Break): boolean {
  const file = join(copy, broken.file);
  const source = readFileSync(file, 'utf8');
  const green = passes(broken.test);
  writeFileSync(file, brokenSource(source, broken));
  const build = broken.test.needsBuild ? run('npx', ['tsc', '-b']) : 0;
  const red = build === 0 && !passes(broken.test);
  writeFileSync(file, source);
  if (broken.test.needsBuild) run('npx', ['tsc', '-b']);
  const verdict = !green ? 'RED BEFORE' : build !== 0 ? 'DOES NOT BUILD' : red ? 'noticed' : 'UNNOTICED';
  console.log(`${verdict.padEnd(15)} ${broken.rule} → ${broken.test.file}: ${broken.test.name}`);
  return green && red;
}

/** The tracked files, as they are now, and a node_modules whose packages of ours are those of the copy. */
function copyTree(): void {
  const { stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: repository, encoding: 'utf8' });
  for (const file of stdout.split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), readFileSync(join(repository, file)));
  }
  const modules = join(repository, 'node_modules');
  mkdirSync(join(copy, 'node_modules', '@openkdh'), { recursive: true });
  for (const name of readdirSync(modules).filter((name) => name !== '@openkdh')) {
    symlinkSync(join(modules, name), join(copy, 'node_modules', name));
  }
  for (const kind of ['libs', 'apps']) {
    for (const name of readdirSync(join(copy, kind))) {
      symlinkSync(join(copy, kind, name), join(copy, 'node_modules', '@openkdh', name));
    }
  }
}

function brokenSource(source: string, { rule, file, edits }: Break): string {
  return edits.reduce((text, [find, replace]) => {
    const parts = text.split(find);
    if (parts.length !== 2) throw new Error(`"${rule}" no longer fits ${file}: ${parts.length - 1} places`);
    return parts.join(replace);
  }, source);
}

function passes({ file, name }: Break['test']): boolean {
  return run('npx', ['jest', file, '-t', name, '--silent']) === 0;
}

/** The exit code. */
function run(command: string, args: string[]): number {
  const NODE_OPTIONS = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
  const { status } = spawnSync(command, args, {
    cwd: copy,
    env: { ...process.env, NODE_OPTIONS },
    stdio: 'ignore',
  });
  return status ?? 1;
}
