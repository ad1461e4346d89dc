import { parseArgs } from 'node:util';
import type { Command } from './command.ts';
import { CliError } from './errors.ts';
import { commandUsage, optionOf, usage } from './usage.ts';

/** What the user typed after the name of a member: text, several, or true for a flag. */
export type Argument = string | boolean | string[];

/** A command, with what was typed for its members. */
export interface Run {
  readonly kind: 'run';
  readonly command: Command;
  readonly json: boolean;
  readonly given: Readonly<Record<string, Argument>>;
}

export type CommandLine =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | Run;

/** Reads the command line; `args` without node and script. Throws CLI_USAGE, without any value that was typed. */
export function parseCommandLine(args: readonly string[], commands: readonly Command[]): CommandLine {
  if (args[0] === '--help') return { kind: 'help', text: usage(commands) };
  if (args[0] === '--version') return { kind: 'version' };
  const command = commands.find(({ name }) => wordsOf(name).every((word, n) => word === args[n]));
  if (!command) return groupHelp(args, commands);

  const { values, positionals } = parse(command, args.slice(wordsOf(command.name).length));
  const { help, json, ...options } = values;
  if (help === true) return { kind: 'help', text: commandUsage(command) };
  const given: Record<string, Argument> = {};
  for (const name of Object.keys(command.members)) {
    const value = options[optionOf(name)];
    if (value !== undefined) given[name] = value;
  }
  takePositional(command, positionals, given);
  return { kind: 'run', command, json: json === true, given };
}

const wordsOf = (name: string) => name.split(' ');

/** Help for a group of commands, or the refusal of a command that there is not. */
function groupHelp(args: readonly string[], commands: readonly Command[]): CommandLine {
  const group = commands.filter(({ name }) => wordsOf(name).length > 1 && wordsOf(name)[0] === args[0]);
  if (group.length > 0 && args[1] === '--help') return { kind: 'help', text: usage(group) };
  const words =
    group.length > 0
      ? group.map(({ name }) => wordsOf(name)[1])
      : commands.map(({ name }) => wordsOf(name)[0]);
  const asked = group.length > 0 ? `${args[0]}: ` : '';
  throw new CliError(
    'CLI_USAGE',
    `${asked}expected a command: ${[...new Set(words)].join(', ')}; --help says more`,
  );
}

function parse(command: Command, args: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(command.members).map(([name, { option, repeated }]) => [
      optionOf(name),
      { type: option === 'flag' ? 'boolean' : 'string', multiple: repeated } as const,
    ]),
  );
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...options, json: { type: 'boolean' }, help: { type: 'boolean' } },
    }) as { values: Record<string, Argument | undefined>; positionals: string[] };
  } catch (error) {
    // The first sentence names the option; the rest is advice in several lines.
    const [reason] = (error as Error).message.split(/[.\n]/);
    throw new CliError('CLI_USAGE', `${command.name}: ${reason}`);
  }
}

function takePositional(
  command: Command,
  positionals: readonly string[],
  given: Record<string, Argument>,
): void {
  const [first] = positionals;
  if (first === undefined) return;
  const { positional, name } = command;
  if (positional === undefined || positionals.length > 1 || given[positional] !== undefined) {
    const most = positional === undefined ? 'no argument' : 'one argument';
    throw new CliError(
      'CLI_USAGE',
      `${name}: expected ${most} besides the options, got ${positionals.length}`,
    );
  }
  given[positional] = first;
}
