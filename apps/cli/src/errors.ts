import { BlockCipherError } from '@openkdh/block-ciphers';
import { DukptError } from '@openkdh/dukpt';
import { HsmManagementError } from '@openkdh/hsm-management';
import { Tr31Error } from '@openkdh/tr31';
import { Tr34Error } from '@openkdh/tr34';
import { TransparencyLogError, type TransparencyLogErrorCode } from '@openkdh/transparency-log';

/** What the command line itself refuses; docs/cli.md says when. The libraries have codes of their own. */
export type CliErrorCode =
  | 'CLI_USAGE'
  | 'CLI_FILE'
  | 'CLI_SERVER'
  | 'CLI_HSM'
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

/** A refusal of the HSM, with its own code: `SOFT_HSM_…`, or the answer code of a host command. */
export class HsmRefusal extends Error {
  override readonly name = 'HsmRefusal';
  readonly code: string;

  constructor(code: string, message: string) {
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

/** How `audit verify` ends: a code for each kind of failure. docs/audit-log.md, "Exit codes". */
const historyExitCodes = {
  TLOG_BAD_SIGNATURE: 10,
  TLOG_UNSIGNED: 10,
  TLOG_WRONG_ORIGIN: 10,
  TLOG_ROOT_MISMATCH: 11,
  TLOG_FORK: 12,
  TLOG_NOT_INCLUDED: 13,
  TLOG_COUNTER_GAP: 14,
  TLOG_RULE_BROKEN: 15,
  TLOG_MALFORMED: 16,
  TLOG_HOSTILE_SIZE: 16,
  TLOG_NOT_CANONICAL: 16,
  TLOG_WITNESS_QUORUM: 17,
  TLOG_ENTRY_ALTERED: 18,
  TLOG_ENTRY_MISSING: 19,
  TLOG_ENTRY_INSERTED: 20,
  TLOG_TAIL_CUT: 21,
} as const satisfies Record<TransparencyLogErrorCode, number>;

type HistoryExitCode = (typeof historyExitCodes)[keyof typeof historyExitCodes];
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes] | HistoryExitCode;

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** `error` as code and message if it is a refusal: ours, a library's or the file system's; undefined for a fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  const refusals = [
    CliError,
    HsmRefusal,
    HsmManagementError,
    Tr31Error,
    DukptError,
    Tr34Error,
    BlockCipherError,
    TransparencyLogError,
  ];
  for (const kind of refusals) {
    if (error instanceof kind) return { code: error.code, message: error.message };
  }
  if (error instanceof Error && 'syscall' in error) return { code: 'CLI_FILE', message: error.message };
  return undefined;
}

/** The exit code that belongs to a refusal. */
export function exitCodeOf({ code }: Refusal): ExitCode {
  if (code === 'CLI_INTERRUPTED') return exitCodes.interrupted;
  if (Object.hasOwn(historyExitCodes, code)) return historyExitCodes[code as keyof typeof historyExitCodes];
  return code.startsWith('CLI_') && code !== 'CLI_TOKEN_UNSIGNED' ? exitCodes.misused : exitCodes.refused;
}
