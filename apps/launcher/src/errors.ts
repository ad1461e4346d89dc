/** What can keep the launcher from its work. The codes are stable; the message is the one line that the user reads. */
export type LauncherErrorCode =
  | 'BAD_FLAGS'
  | 'STATE_NOT_OURS'
  | 'STATE_IN_USE'
  | 'NO_PERMISSION'
  | 'DISK_FULL'
  | 'PORT_BUSY'
  | 'POSTGRES_MISSING'
  | 'POSTGRES_NEEDS_A_USER'
  | 'POSTGRES_FAILED'
  | 'PART_FAILED'
  | 'API_REFUSED'
  | 'LOADS_FAILED'
  | 'TIMED_OUT'
  | 'INTERRUPTED';

/** Thrown by every module of the launcher; `message` says what was met and what to do about it, in one line. */
export class LauncherError extends Error {
  readonly code: LauncherErrorCode;

  constructor(code: LauncherErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LauncherError';
    this.code = code;
  }
}
