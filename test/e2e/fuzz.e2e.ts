import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const script = join(import.meta.dirname, '../fuzz/parsers.mjs');

/** The short run; `.ci/nightly` does a million. A fault prints its input and the seed that repeats it. */
test('fuzzing finds no fault in any parser', () => {
  const printed = execFileSync(process.execPath, [script, '--inputs', '5000'], { encoding: 'utf8' });
  expect(printed.match(/ inputs, .* no fault$/gm)).toHaveLength(7);
});

test('a run is repeated by its seed', () => {
  const run = () =>
    execFileSync(process.execPath, [script, '--inputs', '500', '--seed', '7'], { encoding: 'utf8' });
  const withoutTimes = (printed: string) => printed.replace(/slowest \d+ ms/g, '');
  expect(withoutTimes(run())).toBe(withoutTimes(run()));
});
