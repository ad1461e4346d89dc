import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestEnvironment } from 'jest-environment-node';

const tailLines = 15;
/** Of the lines before: so many of the last that tell of something wrong. */
const troubleLines = 10;
const tellsOfTrouble = (line) => /"level":"(warn|error)"/.test(line);

/**
 * A node environment that prints the end of every log in `globalThis.openkdhLogFolder` (set by support/stack.ts) when
 * a test or a hook fails.
 */
export default class StackEnvironment extends TestEnvironment {
  handleTestEvent(event) {
    const folder = this.global.openkdhLogFolder;
    if (!['test_fn_failure', 'hook_failure'].includes(event.name) || !existsSync(folder ?? '')) return;
    const title = event.test?.name ?? 'hook';
    for (const name of readdirSync(folder)) {
      const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');
      const trouble = lines.slice(0, -tailLines).filter(tellsOfTrouble).slice(-troubleLines);
      const shown = [...trouble, ...lines.slice(-tailLines)].join('\n');
      process.stderr.write(`--- ${title}: end of ${name}\n${shown}\n`);
    }
  }
}
