/** Stable codes; the meaning of each is the sentence beside it. */
export type HsmErrorCode =
  /**
   * No connection could be had in time, or the HSM took no more requests; the request did not leave, or
   * `mayHaveExecuted` says that it did.
   */
  | 'HSM_UNREACHABLE'
  /** The request left and no answer came in time; it may have been executed. */
  | 'HSM_TIMEOUT'
  /** The HSM answered with an error code, which is in `answer`. It did not do the work. */
  | 'HSM_REFUSED'
  /** What came back is not an answer to the request; it may have been executed. */
  | 'HSM_BAD_ANSWER'
  /** This kind of HSM cannot do that. */
  | 'HSM_UNSUPPORTED'
  /** The HSM holds another master key than the one the key blocks were made under. */
  | 'HSM_WRONG_LMK'
  /** The HSM failed shortly before and is left alone for a moment; nothing was sent. */
  | 'HSM_CIRCUIT_OPEN'
  /** `close()` was called. */
  | 'HSM_CLOSED'
  /** The request does not meet the contract; nothing was sent. */
  | 'HSM_BAD_REQUEST';

export interface HsmErrorDetails {
  /** Error code as the HSM wrote it: two characters on a payShield. */
  answer?: string | undefined;
  /** Whether the HSM may have done the work. Default false. */
  mayHaveExecuted?: boolean;
  cause?: unknown;
}

/** The one error of this package. Messages never carry a key field. */
export class HsmError extends Error {
  override readonly name = 'HsmError';
  readonly code: HsmErrorCode;
  readonly answer: string | undefined;
  readonly mayHaveExecuted: boolean;

  constructor(code: HsmErrorCode, message: string, details: HsmErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.answer = details.answer;
    this.mayHaveExecuted = details.mayHaveExecuted ?? false;
  }
}
