import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from '@jest/globals';

const script = join(import.meta.dirname, '../second-verifier/verify.py');

/** The Python that has `cryptography`: the one in PATH, or Debian's, for which apt-get installs it. */
const python = ['python3', '/usr/bin/python3'].find(
  (candidate) => spawnSync(candidate, ['-c', 'import cryptography']).status === 0,
);

/** Needs python3-cryptography (Debian); in CI it has to be there. */
export const hasSecondVerifier = process.env.CI === 'true' || python !== undefined;

/** What test/second-verifier says of bundles: an exit code for each, and its words. */
export function secondVerdicts(bundles: string[], options: string[]): { exitCode: number; words: string }[] {
  const { stdout, stderr } = spawnSync(python ?? 'python3', [script, ...bundles, ...options], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const lines = stdout.split('\n').slice(0, -1);
  if (lines.length !== bundles.length) throw new Error(`the second verifier failed: ${stderr || stdout}`);
  return lines.map((line) => ({
    exitCode: Number(line.split(' ', 1)[0]),
    words: line.slice(line.indexOf(' ') + 1),
  }));
}

/** A test of the second verifier: skipped where python3-cryptography is not installed. */
export const testWithPython = hasSecondVerifier ? test : test.skip;
