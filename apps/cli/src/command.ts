import { CliError, type ExitCode, exitCodeOf, exitCodes, type Refusal, refusalOf } from './errors.ts';
import type { Members, ValuesOf } from './members.ts';
import { refusalText } from './text/refusal.ts';
import { rows } from './text/rows.ts';

/** What a user gives to a command: JSON values, or bytes of files and secrets, by member. */
export type Request = Readonly<Record<string, unknown>>;

/** What became of a request. */
export interface Outcome {
  /** As JSON: the answer, or `{error: {code, message}}`. */
  readonly answer: object;
  /** Set when there is no answer. */
  readonly refusal?: Refusal;
  /** The answer, or why there is none, for people. */
  readonly words: () => string;
  readonly exitCode: ExitCode;
}

/** A command of `openkdh`, the same for the command line and for JSON lines. */
export interface Command {
  /** Group and verb, as typed. */
  readonly name: string;
  /** One sentence for the usage text. */
  readonly summary: string;
  readonly members: Members;
  /** The member that the command line takes without its name. */
  readonly positional: string | undefined;
  /** Whether it asks questions, whose answers may come from standard input; it takes no JSON lines from there. */
  readonly interactive: boolean;
  /** Answers a request, or says why not. Throws faults only. */
  run(request: Request): Promise<Outcome>;
}

export interface CommandDefinition<Table extends Members, Answer extends object> {
  name: string;
  summary: string;
  members: Table;
  positional?: keyof Table & string;
  interactive?: boolean;
  run(values: ValuesOf<Table>): Answer | Promise<Answer>;
  /** Default: the members of the answer, a line each. */
  text?(answer: Answer, values: ValuesOf<Table>): string;
  /** Whether an answer is a refusal, for the exit code. */
  refuses?(answer: Answer): boolean;
  /** The text that findings point into. */
  underlined?(values: ValuesOf<Table>): string;
}

/** A command from its table of members. Secrets that it reads are wiped when it has run. */
export function defineCommand<Table extends Members, Answer extends object>(
  definition: CommandDefinition<Table, Answer>,
): Command {
  const { name, summary, members, positional, interactive = false } = definition;
  const run = async (request: Request): Promise<Outcome> => {
    const read: Record<string, unknown> = {};
    const values = read as ValuesOf<Table>; // once all of them are read
    try {
      readMembers(members, request, read);
      const answer = await definition.run(values);
      return {
        answer,
        words: () => definition.text?.(answer, values) ?? rows(answer),
        exitCode: definition.refuses?.(answer) ? exitCodes.refused : exitCodes.done,
      };
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      return {
        answer: { error: refusal },
        refusal,
        words: () => refusalText(error, refusal, () => definition.underlined?.(values) ?? ''),
        exitCode: exitCodeOf(refusal),
      };
    } finally {
      wipeSecrets(members, read);
    }
  };
  return { name, summary, members, positional, interactive, run };
}

function readMembers(members: Members, request: Request, values: Record<string, unknown>): void {
  for (const name of Object.keys(request)) {
    if (Object.hasOwn(members, name)) continue;
    const known = Object.keys(members).join(', ');
    const came = JSON.stringify(name.slice(0, 20));
    throw new CliError('CLI_MEMBER_UNKNOWN', `expected the members ${known}, got ${came}`);
  }
  for (const [name, member] of Object.entries(members)) {
    const given = request[name];
    if (given !== undefined && given !== null) values[name] = member.read(given, name);
    else if (member.required) throw new CliError('CLI_MEMBER_MISSING', `${name} is missing`);
  }
}

function wipeSecrets(members: Members, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (members[name]!.option === 'key' && value instanceof Uint8Array) value.fill(0);
  }
}
