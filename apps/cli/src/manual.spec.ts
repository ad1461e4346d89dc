/** docs/cli.md and the usage text say what the code does; the examples of the page run in test/e2e/cli.e2e.ts. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { commands } from './commands.ts';
import { commandUsage, optionOf } from './usage.ts';

const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
const source = readFileSync(new URL('./errors.ts', import.meta.url), 'utf8');

describe.each(commands)('$name', (command) => {
  const { name, members } = command;
  const section = page.split(/^## /m).find((text) => text.startsWith(`${name}\n`)) ?? '';

  test('has a section whose shape lists its members', () => {
    const [, shape = ''] = /^`\{([^}]*)\}` → `\{/m.exec(section) ?? [];
    const listed = shape.split(', ');
    expect(listed.sort()).toEqual(
      Object.entries(members)
        .map(([member, { required }]) => member + (required ? '' : '?'))
        .sort(),
    );
  });

  test('has every member in the table of members', () => {
    for (const member of Object.keys(members))
      expect(page).toMatch(new RegExp(`^\\|[^|]*\`${member}\``, 'm'));
  });

  test('has every option in its usage text', () => {
    for (const member of Object.keys(members)) {
      const option = member === command.positional ? optionOf(member).toUpperCase() : `--${optionOf(member)}`;
      expect(commandUsage(command)).toContain(`  ${option}`);
    }
  });
});

test('the page has every code of the command line, and no other', () => {
  const [, union = ''] = /CliErrorCode =([^;]*);/.exec(source) ?? [];
  const codes = (text: string) => [...new Set(text.match(/CLI_[A-Z_]+/g))].sort();
  const table = page.slice(page.indexOf('\n## Codes'));
  expect(codes(table)).toEqual(codes(union));
});
