import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { answerCodes } from './answer-codes.ts';
import { orderActs } from './ceremony/order-acts.ts';
import { commands } from './commands/index.ts';
import { managementCommands } from './management/commands.ts';

const page = readFileSync(new URL('../../../docs/hsm.md', import.meta.url), 'utf8');
/** Words in the first column of the table below a heading. */
const firstColumn = (heading: string) =>
  page
    .slice(page.indexOf(`\n${heading}\n`) + heading.length)
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .flatMap((line) => line.split('|')[1]!.replaceAll('`', '').trim().split(', '));

test('docs/hsm.md names every command, code, order and management command', () => {
  expect(firstColumn('## Commands')).toEqual(expect.arrayContaining(Object.keys(commands)));
  expect(firstColumn('### Answer codes')).toEqual(expect.arrayContaining(Object.keys(answerCodes)));
  expect(firstColumn('## Dual control')).toEqual(expect.arrayContaining([...orderActs]));
  expect(firstColumn('## Management socket')).toEqual(
    expect.arrayContaining(Object.keys(managementCommands)),
  );
});
