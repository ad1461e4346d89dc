/** Stable codes of every refusal of this package. */
export type DukptErrorCode =
  | 'DUKPT_KSN_LENGTH'
  | 'DUKPT_KSN_FIELD'
  | 'DUKPT_KSN_NOT_INITIAL'
  | 'DUKPT_KSN_FOREIGN'
  | 'DUKPT_COUNTER_INVALID'
  | 'DUKPT_EXHAUSTED'
  | 'DUKPT_KEY_LENGTH'
  | 'DUKPT_KEY_USAGE'
  | 'DUKPT_KEY_TYPE'
  | 'DUKPT_KEY_TOO_STRONG'
  | 'DUKPT_DATA_LENGTH'
  | 'DUKPT_MAC_LENGTH'
  | 'DUKPT_PIN'
  | 'DUKPT_PAN'
  | 'DUKPT_PIN_BLOCK'
  | 'DUKPT_STATE_INVALID'
  | 'DUKPT_STATE_ROLLED_BACK'
  | 'DUKPT_UNSEAL_FAILED'
  | 'DUKPT_WIPED';

/** The one error of this package. `code` is stable; the message is for people and holds no key, PIN or data. */
export class DukptError extends Error {
  readonly code: DukptErrorCode;

  constructor(code: DukptErrorCode, message: string) {
    super(message);
    this.name = 'DukptError';
    this.code = code;
  }
}

/** Refuses bytes of another length than those listed, and text. `what` names them in the message. */
export function requireLength(
  bytes: Uint8Array,
  lengths: readonly number[],
  code: DukptErrorCode,
  what: string,
): void {
  // Hex digits, as many as a key has bytes, would pass for another key.
  const came = bytes instanceof Uint8Array ? bytes.length : `a ${typeof bytes}`;
  if (!(lengths as readonly unknown[]).includes(came)) {
    throw new DukptError(code, `${what}: expected ${lengths.join(' or ')} bytes, got ${came}`);
  }
}
