import { BlockCipherError } from '@openkdh/block-ciphers';
import { DukptError } from '@openkdh/dukpt';
import { Tr31Error } from '@openkdh/tr31';
import { Tr34Error } from '@openkdh/tr34';

/** What the command line itself refuses; docs/cli.md says when. The libraries have codes of their own. */
export type CliErrorCode =
  | 'CLI_USAGE'
  | 'CLI_FILE'
  | 'CLI_MEMBER_MISSING'
  | 'CLI_MEMBER_UNKNOWN'
  | 'CLI_MEMBER_INVALID'
  | 'CLI_NOT_JSON'
  | 'CLI_LINE_TOO_LONG'
  | 'CLI_TOKEN_UNSIGNED'
  | 'CLI_INTERRUPTED'
  | 'CLI_FAULT';

/** `message`: one line, which names what was expected and what came by kind and length, never by value. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** How `openkdh` ends. */
export const exitCodes = {
  done: 0,
  /** A key block, token, KSN or key was refused. */
  refused: 1,
  /** The command line, or a file that it names, cannot be used. */
  misused: 2,
  /** Ctrl-C at a prompt; as a shell counts SIGINT. */
  interrupted: 130,
  /** Nobody reads the output any more; as a shell counts SIGPIPE. */
  brokenPipe: 141,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** `error` as code and message if it is a refusal: ours, a library's or the file system's; undefined for a fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  const refusals = [CliError, Tr31Error, DukptError, Tr34Error, BlockCipherError];
  for (const kind of refusals) {
    if (error instanceof kind) return { code: error.code, message: error.message };
  }
  if (error instanceof Error && 'syscall' in error) return { code: 'CLI_FILE', message: error.message };
  return undefined;
}

/** The exit code that belongs to a refusal. */
export function exitCodeOf({ code }: Refusal): ExitCode {
  if (code === 'CLI_INTERRUPTED') return exitCodes.interrupted;
  return code.startsWith('CLI_') && code !== 'CLI_TOKEN_UNSIGNED' ? exitCodes.misused : exitCodes.refused;
}
