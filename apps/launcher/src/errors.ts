/** What can keep the launcher from its work. The codes are stable; the message is the one line that the user reads. */
export type LauncherErrorCode =
  | 'BAD_FLAGS'
  | 'STATE_NOT_OURS'
  | 'STATE_IN_USE'
  | 'STATE_PATH_TOO_LONG'
  | 'FILE_SYSTEM'
  | 'PORT_REFUSED'
  | 'POSTGRES_MISSING'
  | 'POSTGRES_NEEDS_A_USER'
  | 'POSTGRES_FAILED'
  | 'PART_FAILED'
  | 'TOKEN_MISSING'
  | 'API_REFUSED'
  | 'LOADS_UNCONFIRMED';

/** Thrown by every module of the launcher; `message` says what was met and what to do about it, in one line. */
export class LauncherError extends Error {
  readonly code: LauncherErrorCode;

  constructor(code: LauncherErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LauncherError';
    this.code = code;
  }
}

/** What the operating system refuses a launcher for, in words. */
const refusals: Record<string, string> = {
  EACCES: 'no permission for',
  EPERM: 'no permission for',
  EROFS: 'the file system is read-only at',
  ENOSPC: 'the disk is full at',
  EDQUOT: 'the disk quota is used up at',
  ENOTDIR: 'there is a file where a folder should be, at',
};

/** `error` as a LauncherError if it is one, or a refusal of the file system; else undefined: a fault of ours. */
export function explain(error: unknown): LauncherError | undefined {
  if (error instanceof LauncherError) return error;
  const { code = '', path } = error as NodeJS.ErrnoException;
  if (refusals[code] === undefined || path === undefined) return undefined;
  return new LauncherError('FILE_SYSTEM', `${refusals[code]} ${path}`, { cause: error });
}
