import { readFile } from 'node:fs/promises';
import type { Command, Request } from './command.ts';
import type { Argument } from './command-line.ts';
import { CliError } from './errors.ts';
import type { Member } from './members.ts';
import { askForSecret, readSecret, type Surroundings } from './secret.ts';
import { optionOf } from './usage.ts';

/**
 * The members that the command line gives, with files and secrets read. Throws CLI_USAGE, CLI_MEMBER_INVALID, and what
 * the file system refuses. The caller wipes it.
 */
export async function gatherRequest(
  command: Command,
  given: Readonly<Record<string, Argument>>,
  surroundings: Surroundings,
): Promise<Record<string, unknown>> {
  const request: Record<string, unknown> = {};
  for (const [name, argument] of Object.entries(given)) {
    const member = command.members[name]!;
    request[name] = Array.isArray(argument)
      ? await Promise.all(argument.map((one: string) => readArgument(one, name, member, surroundings)))
      : await readArgument(argument as string | boolean, name, member, surroundings);
    wipeBytes(member.read(request[name], name)); // refused here, not again in every line
  }
  return request;
}

async function readArgument(
  argument: string | boolean,
  name: string,
  member: Member<unknown>,
  surroundings: Surroundings,
): Promise<unknown> {
  if (typeof argument === 'boolean') return argument;
  switch (member.option) {
    case 'file':
      return readFile(argument);
    case 'key':
    case 'private key':
      return readSecret(argument, optionOf(name), surroundings);
    default:
      return member.fromArgument(argument);
  }
}

/** The members that a request must have and has not. */
export function missingMembers({ members }: Command, request: Request): string[] {
  return Object.keys(members).filter((name) => members[name]!.required && request[name] === undefined);
}

/** Asks for the keys that a request lacks, once nothing else is missing. Throws CLI_MEMBER_MISSING. */
export async function askForMissing(command: Command, request: Record<string, unknown>): Promise<void> {
  const missing = missingMembers(command, request);
  const unasked = missing.find((name) => command.members[name]!.option !== 'key');
  if (unasked !== undefined) {
    throw new CliError('CLI_MEMBER_MISSING', `${command.name}: ${optionOf(unasked)} is missing`);
  }
  for (const name of missing) request[name] = await askForSecret(optionOf(name));
}

/** Fills the bytes in a request with zeros. */
export function wipeRequest(request: Request): void {
  for (const value of Object.values(request)) wipeBytes(value);
}

function wipeBytes(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(0);
}
