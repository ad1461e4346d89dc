import type { Command } from './command.ts';
import type { Member } from './members.ts';
import { columns } from './text/rows.ts';

/** The option of a member: its name in kebab case. */
export function optionOf(member: string): string {
  return member.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The usage text of several commands. */
export function usage(commands: readonly Command[]): string {
  return `Usage: openkdh COMMAND [OPTIONS]

${columns(commands.map(({ name, summary }) => [`  ${name}`, summary]))}
openkdh COMMAND --help says what a command takes. The whole manual is docs/cli.md.
`;
}

/** The usage text of one command. */
export function commandUsage({ name, summary, members, positional }: Command): string {
  const table = Object.entries(members).map(([member, details]) => [
    member === positional
      ? `  ${optionOf(member).toUpperCase()}`
      : `  --${optionOf(member)}${placeholderOf(details)}`,
    `${details.meaning}${details.required ? '' : '  [optional]'}${details.repeated ? '  [may be repeated]' : ''}`,
  ]);
  const json = [
    '  --json',
    'answer JSON lines from standard input; options stand in for members that a line lacks',
  ];
  const hasSecret = Object.values(members).some(({ option }) => option === 'key' || option === 'private key');
  const sources = 'SOURCE is file:PATH or env:NAME; a key in hex is asked for if its option is left out.\n';
  return `Usage: openkdh ${name} [OPTIONS]${positional ? ` ${optionOf(positional).toUpperCase()}` : ''}

${summary}

${columns([...table, json])}${hasSecret ? `\n${sources}` : ''}`;
}

const placeholders = {
  value: ' VALUE',
  flag: '',
  file: ' FILE',
  key: ' SOURCE',
  'private key': ' SOURCE',
};

function placeholderOf({ option }: Member<unknown>): string {
  return placeholders[option];
}
