/**
 * - `HSM_MESSAGE`: a peer that does not keep to the form of the messages; the connection ends.
 * - `HSM_LOG_BROKEN`: an audit log that cannot be believed, and from which record on.
 */
export type HsmManagementErrorCode = 'HSM_MESSAGE' | 'HSM_LOG_BROKEN';

export class HsmManagementError extends Error {
  override readonly name = 'HsmManagementError';
  readonly code: HsmManagementErrorCode;

  constructor(code: HsmManagementErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
