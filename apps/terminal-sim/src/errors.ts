/** What can go wrong outside of one terminal's conversation with its KDH. */
export type TerminalSimErrorCode =
  /** An argument of the command line is unknown, missing or of the wrong form. */
  | 'BAD_ARGUMENT'
  /** The journal is not one of ours, or is of another version. */
  | 'STORE_UNREADABLE'
  /** A write or a sync failed. What was not acknowledged may be lost; the store takes no further writes. */
  | 'STORE_FAILED'
  /** Another process uses the same state folder; the newer one keeps it. */
  | 'STORE_TAKEN_OVER'
  /** The KDH answered an enrolment with a refusal that a repetition will not change. */
  | 'ENROLMENT_REFUSED';

/** The one error class of the simulator. `code` is stable, the message is for people and never has key bytes. */
export class TerminalSimError extends Error {
  readonly code: TerminalSimErrorCode;

  constructor(code: TerminalSimErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TerminalSimError';
    this.code = code;
  }
}
