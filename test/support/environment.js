import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestEnvironment } from 'jest-environment-node';

const tailLines = 15;

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
      process.stderr.write(`--- ${title}: end of ${name}\n${lines.slice(-tailLines).join('\n')}\n`);
    }
  }
}
