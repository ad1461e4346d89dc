import type { AnswerCode } from '../answer-codes.ts';
import type { FieldReader } from '../wire/fields.ts';
import type { CommandScope } from './scope.ts';

/** A host command of this HSM. */
export interface Command {
  /** For people. */
  readonly name: string;
  /**
   * `status` tells about the HSM, in every state. `keyless` works without any key, but not in an HSM that has failed.
   * `key` makes, uses or releases a key, in an open HSM only, and its record is on disk before its answer leaves.
   */
  readonly kind: 'status' | 'keyless' | 'key';
  /**
   * Reads all fields, without any key, and returns what carries the command out. Throws `Refusal`; so may the function
   * that it returns.
   */
  prepare(fields: FieldReader): (scope: CommandScope) => Answer | Promise<Answer>;
}

/** What follows the response code. */
export interface Answer {
  /** `00`, or `01` where a command returns its data with an advice. */
  code: AnswerCode;
  data: Uint8Array;
  /** How many keys leave the HSM with this answer under another key than the LMK. */
  releasedKeys: number;
}

/** An answer without error, of text and raw bytes one after the other. */
export function answer(...parts: (string | Uint8Array)[]): Answer {
  const data = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
  );
  return { code: '00', data, releasedKeys: 0 };
}

/** As `answer`, for a command by which one key has left the HSM. */
export function answerReleasingKey(...parts: (string | Uint8Array)[]): Answer {
  return { ...answer(...parts), releasedKeys: 1 };
}
