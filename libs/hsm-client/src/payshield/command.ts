import type { OptionalBlock } from '@openkdh/tr31/header';
import { HsmError } from '../errors.ts';
import type { LmkKeyBlock, LmkPrivateKey } from '../hsm.ts';
import { errorMeanings } from './answer-codes.ts';
import { AnswerReader } from './answer-reader.ts';

/** One host command, ready to be sent: the request as bytes, and how its answer is read. */
export interface Command<Result> {
  /** Two characters. */
  readonly code: string;
  /** What follows the code. */
  readonly data: Uint8Array;
  /** The key fields within `data`: logs name them by fingerprint. */
  readonly keys: readonly (LmkKeyBlock | LmkPrivateKey)[];
  /**
   * Whether the pool may send it again after a broken connection. True only for a command that changes nothing and
   * releases nothing new when it runs twice.
   */
  readonly repeatable: boolean;
  /** The command may take seconds in the HSM: its deadline is longer. */
  readonly slow?: boolean;
  /** Error code, besides 00, after which the result follows all the same. */
  readonly advice?: string;
  /** Reads what follows the error code. */
  read(answer: AnswerReader): Result;
}

/** Code and data: what a frame carries after its header. */
export function requestMessage(command: Command<unknown>): Uint8Array {
  return fields(command.code, command.data);
}

/**
 * Reads an answer: response code[2] error code[2] data. Throws HSM_REFUSED with the error code, or HSM_BAD_ANSWER.
 * The response code is the command code with its second character plus one: A0, A1.
 */
export function readAnswer<Result>(command: Command<Result>, message: Uint8Array): Result {
  const responseCode = command.code[0] + String.fromCharCode(command.code.charCodeAt(1) + 1);
  const head = Buffer.from(message.subarray(0, 4)).toString('latin1');
  if (head.length < 4 || !head.startsWith(responseCode)) {
    const what = `${command.code}: expected an answer ${responseCode}, got ${message.length} bytes of something else`;
    throw new HsmError('HSM_BAD_ANSWER', what, { mayHaveExecuted: true });
  }
  const errorCode = head.slice(2);
  if (errorCode !== '00' && errorCode !== command.advice) {
    const meaning = errorMeanings[errorCode] ?? 'meaning not known';
    throw new HsmError('HSM_REFUSED', `${command.code}: the HSM refused with ${errorCode} (${meaning})`, {
      answer: errorCode,
    });
  }
  return command.read(new AnswerReader(responseCode, message.subarray(4)));
}

/** ASCII text and raw bytes, one after the other. */
export function fields(...parts: (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}

/** `%nn`, or nothing: the HSM then takes its default LMK, or the one tied to the port. */
export function lmkIdField(lmkId: number | undefined): string {
  return lmkId === undefined ? '' : `%${decimal(lmkId, 2, 'LMK id')}`;
}

/** `digits` decimal digits. */
export function decimal(value: number, digits: number, name: string): string {
  requireRange(value, 0, 10 ** digits - 1, name);
  return String(value).padStart(digits, '0');
}

/** `digits` upper-case hex digits. */
export function hexNumber(value: number, digits: number, name: string): string {
  requireRange(value, 0, 16 ** digits - 1, name);
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

/** Bytes as upper-case hex. */
export function hexBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase();
}

/** A key block field of a request, tag included: refused unless it is as long as it says. */
export function keyField(key: LmkKeyBlock, name: string): LmkKeyBlock {
  const length = /^S[01](\d{4})[0-9A-Za-z]+$/.exec(key)?.[1];
  if (length === undefined || key.length !== 1 + Number(length)) {
    throw badRequest(`${name}: expected an S key block, got ${key.length} characters of another form`);
  }
  return key;
}

/** A private key as EI or FY returned it, tag included: refused unless it is as long as it says. */
export function privateKeyBlock(key: LmkPrivateKey): LmkPrivateKey {
  const length = /^S[01](\d{4})$/.exec(Buffer.from(key.subarray(0, 6)).toString('latin1'))?.[1];
  if (length === undefined || key.length !== 1 + Number(length)) {
    throw badRequest(`private key: expected an S key block, got ${key.length} bytes of another form`);
  }
  return key;
}

/** A private key to work with: flag `99`, length `FFFF` (key block LMK), key. */
export function privateKeyField(key: LmkPrivateKey): Uint8Array {
  return fields('99', 'FFFF', privateKeyBlock(key));
}

/** Number of optional blocks, then each as id[2] length[2, hex, of the whole block] data. */
export function optionalBlockFields(blocks: readonly OptionalBlock[]): string {
  return [
    decimal(blocks.length, 2, 'number of optional blocks'),
    ...blocks.map(({ id, data }) => {
      const printable = /^[\x20-\x7e]*$/.test(data);
      if (!/^[0-9A-Z]{2}$/.test(id) || id === 'PB' || !printable) {
        throw badRequest(
          'optional block: expected an id of two characters other than PB, and printable data',
        );
      }
      return `${id}${hexNumber(4 + data.length, 2, `length of optional block ${id}`)}${data}`;
    }),
  ].join('');
}

export function requireRange(value: number, min: number, max: number, name: string): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw badRequest(`${name}: expected a whole number from ${min} to ${max}, got ${value}`);
  }
}

export function badRequest(message: string): HsmError {
  return new HsmError('HSM_BAD_REQUEST', message);
}
