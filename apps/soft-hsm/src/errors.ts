export type SoftHsmErrorCode =
  /** The command line asks for something that cannot be. */
  | 'SOFT_HSM_USAGE'
  /** A file or folder is missing, has the wrong owner or mode, or cannot be read or written. */
  | 'SOFT_HSM_FILE'
  /** A socket path or port is in use or cannot be bound. */
  | 'SOFT_HSM_ADDRESS'
  /** The sealed LMK does not open: wrong passphrase, or a changed file. Which of them, nobody is told. */
  | 'SOFT_HSM_SEAL'
  /** Shares of the sealing key that do not give it. */
  | 'SOFT_HSM_SHARES'
  /** An order of the officers that is not signed by two of them, not in force, used before, or not for this HSM. */
  | 'SOFT_HSM_ORDER'
  /** The command does not fit the state that the HSM is in. */
  | 'SOFT_HSM_STATE'
  /** Test and live would meet: a test LMK in a live folder or the other way round. */
  | 'SOFT_HSM_TEST_LIVE'
  /** A known-answer test failed. */
  | 'SOFT_HSM_SELF_TEST'
  /** No noise source is healthy; there are no random numbers. */
  | 'SOFT_HSM_ENTROPY'
  /** The audit log is broken, or older than the sealed LMK says. */
  | 'SOFT_HSM_AUDIT';

/** What keeps this process from starting or going on. A command of a host that is refused is a `Refusal` instead. */
export class SoftHsmError extends Error {
  override readonly name = 'SoftHsmError';
  readonly code: SoftHsmErrorCode;

  constructor(code: SoftHsmErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
