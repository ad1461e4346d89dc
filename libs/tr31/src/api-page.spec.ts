import { readFileSync } from 'node:fs';
import { format } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import * as header from './header.ts';
import * as tr31 from './index.ts';
import * as thales from './thales.ts';

const page = readFileSync(new URL('../../../docs/api/tr31.md', import.meta.url), 'utf8');
const modules = { '@openkdh/tr31': tr31, '@openkdh/tr31/header': header, '@openkdh/tr31/thales': thales };

/** A section's title, its example, and the output printed below it. */
const examples = [
  ...page.matchAll(/^## ([^\n]+)\n(?:(?!^## )[\s\S])*?^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```/gm),
].map(([, title, code, output]) => [title!, code!, output!] as const);

describe('docs/api/tr31.md', () => {
  test('has six examples, each with its output', () => {
    expect(examples).toHaveLength([...page.matchAll(/^```ts$/gm)].length);
    expect(examples).toHaveLength(6);
  });

  test.each(examples)('%s', (_, code, output) => {
    const lines: string[] = [];
    const console = { log: (...values: unknown[]) => lines.push(`${format(...values)}\n`) };
    const body = code.replace(/^import (\{[^}]*\}) from '([^']+)';$/gm, "const $1 = modules['$2'];");
    new Function('modules', 'console', body)(modules, console);
    expect(lines.join('')).toBe(output);
  });

  test('lists every profile', () => {
    for (const profile of Object.keys(tr31.profiles)) expect(page).toContain(`| \`${profile}\``);
  });
});
