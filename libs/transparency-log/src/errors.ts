/** Every refusal of this package, and what it says. The codes are stable. */
export const transparencyLogErrors = {
  TLOG_MALFORMED: 'bytes or text are not of their form',
  TLOG_HOSTILE_SIZE: 'a number, a count or a length is none that a log can have',
  TLOG_NOT_CANONICAL: 'JSON that has no canonical form, or is not in it',
  TLOG_WRONG_ORIGIN: 'a checkpoint of another log',
  TLOG_UNSIGNED: 'no signature of a trusted key',
  TLOG_BAD_SIGNATURE: 'a signature of a trusted key that does not verify',
  TLOG_WITNESS_QUORUM: 'too few witnesses cosigned',
  TLOG_NOT_INCLUDED: 'the proof does not show this entry at this index',
  TLOG_ROOT_MISMATCH: 'the entries and their hashes are not those that the checkpoint signs',
  TLOG_ENTRY_ALTERED: 'an entry is not the one that the log holds',
  TLOG_ENTRY_MISSING: 'an entry that the log holds was left out',
  TLOG_ENTRY_INSERTED: 'an entry that the log does not hold was put in',
  TLOG_TAIL_CUT: 'the last entries are gone, or a log became smaller',
  TLOG_FORK: 'two tree heads that are not shown to be of one history',
  TLOG_COUNTER_GAP: 'a counter skips or repeats a value',
  TLOG_RULE_BROKEN: 'an event that the rules of the history do not allow',
} as const satisfies Record<string, string>;
export type TransparencyLogErrorCode = keyof typeof transparencyLogErrors;

/**
 * The one error of this package. A caller that checks rules of its own (`EntryRule`) throws it too, with
 * TLOG_RULE_BROKEN. The message is for people.
 */
export class TransparencyLogError extends Error {
  override readonly name = 'TransparencyLogError';
  readonly code: TransparencyLogErrorCode;

  constructor(code: TransparencyLogErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
