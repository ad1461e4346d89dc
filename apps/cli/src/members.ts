/**
 * The members of a request. Each kind says how the member is read from JSON, and how the command line gives it: one
 * table per command serves both, and the usage text.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CliError } from './errors.ts';
import { hexBytes } from './hex.ts';

export interface Member<Value> {
  /** For the usage text. */
  readonly meaning: string;
  readonly required: boolean;
  /**
   * What its option takes: the value itself, nothing, the path of a file, or where to get a secret from. A `key` in hex
   * may also be asked for at a prompt, a `private key` in PEM may not.
   */
  readonly option: 'value' | 'flag' | 'file' | 'key' | 'private key';
  /** Given more than once on the command line, a list in JSON. */
  readonly repeated: boolean;
  /** What a value of the command line would be in JSON. */
  readonly fromArgument: (argument: string) => unknown;
  /**
   * `given`: from JSON, or the bytes of a file or a secret. Throws CLI_MEMBER_INVALID. What it returns is a copy, which
   * the command may wipe.
   */
  readonly read: (given: unknown, name: string) => Value;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of members has values of every type; ValuesOf tells which
export type Members = Readonly<Record<string, Member<any>>>;
export type ValuesOf<Table extends Members> = {
  [Name in keyof Table]: Table[Name] extends Member<infer Value> ? Value : never;
};

function member<Value>(
  meaning: string,
  read: Member<Value>['read'],
  how: Partial<Omit<Member<Value>, 'meaning' | 'read'>> = {},
): Member<Value> {
  return {
    meaning,
    required: true,
    option: 'value',
    repeated: false,
    fromArgument: (argument) => argument,
    read,
    ...how,
  };
}

/** The same member, which may be left out. */
export function optional<Value>(required: Member<Value>): Member<Value | undefined> {
  return { ...required, required: false };
}

export function text(meaning: string): Member<string> {
  return member(meaning, (given, name) => {
    if (typeof given !== 'string') throw invalid(name, 'a string', given);
    return given;
  });
}

/** One or more strings, or one string. */
export function texts(meaning: string): Member<[string, ...string[]]> {
  const read = (given: unknown, name: string): [string, ...string[]] => {
    const [first, ...others] = Array.isArray(given) ? given : [given];
    if (![first, ...others].every((one) => typeof one === 'string')) {
      throw invalid(name, 'one or more strings', given);
    }
    return [first, ...others];
  };
  return member(meaning, read, { repeated: true });
}

export function choice<Value extends string>(meaning: string, values: readonly Value[]): Member<Value> {
  const list = values.join(', ');
  return member(`${meaning}: ${list}`, (given, name) => {
    const found = values.find((value) => value === given);
    if (found === undefined) throw invalid(name, `one of ${list}`, given);
    return found;
  });
}

export function count(meaning: string, most: number): Member<number> {
  const read = (given: unknown, name: string) => {
    if (typeof given !== 'number' || !Number.isInteger(given) || given < 0 || given > most) {
      const came = typeof given === 'number' ? String(given) : kindOf(given);
      throw new CliError('CLI_MEMBER_INVALID', `${name}: expected an integer from 0 to ${most}, got ${came}`);
    }
    return given;
  };
  return member(meaning, read, {
    fromArgument: (digits) => (/^\d+$/.test(digits) ? Number(digits) : digits),
  });
}

export function flag(meaning: string): Member<boolean> {
  const read = (given: unknown, name: string) => {
    if (typeof given !== 'boolean') throw invalid(name, 'true or false', given);
    return given;
  };
  return member(meaning, read, { option: 'flag' });
}

/** A time in UTC as ISO 8601 writes it, to the second. */
export function time(meaning: string): Member<Date> {
  return member(meaning, (given, name) => {
    const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
    const date = new Date(typeof given === 'string' && form.test(given) ? given : Number.NaN);
    // A day that the month does not have is taken for one of the next month.
    if (Number.isNaN(date.valueOf()) || date.toISOString().slice(0, 19) !== (given as string).slice(0, 19)) {
      throw invalid(name, 'a time such as 2026-11-24T12:00:00Z', given);
    }
    return date;
  });
}

/** Bytes in hex. */
export function hex(meaning: string): Member<Uint8Array> {
  return member(meaning, readHex);
}

/** A key in hex. */
export function secretHex(meaning: string): Member<Uint8Array> {
  return member(meaning, readHex, { option: 'key' });
}

function readHex(given: unknown, name: string): Uint8Array {
  const bytes = isBytesOrText(given) ? hexBytes(bytesOf(given)) : undefined;
  if (!bytes) throw invalid(name, 'an even number of hex digits', given);
  return bytes;
}

/** A private key in PEM. */
export function secretPem(meaning: string): Member<KeyObject> {
  const read = (given: unknown, name: string) => {
    try {
      if (isBytesOrText(given)) return createPrivateKey({ key: Buffer.from(bytesOf(given)), format: 'pem' });
    } catch {
      // OpenSSL's reason is not passed on: it is about the key.
    }
    throw invalid(name, 'a private key in PEM, not encrypted', given);
  };
  return member(meaning, read, { option: 'private key' });
}

/** DER: in PEM or hex, and as it is in a file. */
export function der(meaning: string): Member<Uint8Array> {
  const read = (given: unknown, name: string) => {
    const [only, another] = readDer(given, name);
    if (!only || another) throw invalid(name, 'one DER value, in PEM or hex', given);
    return only;
  };
  return member(meaning, read, { option: 'file' });
}

/** One or more of the same, of one string or of a list of strings. */
export function ders(meaning: string): Member<[Uint8Array, ...Uint8Array[]]> {
  const read = (given: unknown, name: string): [Uint8Array, ...Uint8Array[]] => {
    const [first, ...others] = (Array.isArray(given) ? given : [given]).flatMap((one) => readDer(one, name));
    if (!first) throw invalid(name, 'one or more DER values, in PEM or hex', given);
    return [first, ...others];
  };
  return member(meaning, read, { option: 'file', repeated: true });
}

const pemBlock = /-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]+)-----END [A-Z0-9 ]+-----/g;

function readDer(given: unknown, name: string): Uint8Array[] {
  if (isBytesOrText(given)) {
    const bytes = bytesOf(given);
    const text = Buffer.from(bytes).toString('latin1');
    const blocks = [...text.matchAll(pemBlock)];
    if (blocks.length > 0) return blocks.map(([, base64]) => Buffer.from(base64!, 'base64'));
    const decoded = hexBytes(Buffer.from(text.replaceAll(/\s/g, ''), 'latin1'));
    if (decoded && decoded.length > 0) return [decoded];
    if (typeof given !== 'string' && bytes.length > 0) return [Uint8Array.from(bytes)]; // a file in DER
  }
  throw invalid(name, 'DER, in PEM or hex', given);
}

export interface OptionalBlockMember {
  id: string;
  data: string;
}

/** Optional blocks of a key block; on the command line each as ID=DATA. */
export function optionalBlocks(meaning: string): Member<OptionalBlockMember[]> {
  const read = (given: unknown, name: string) => {
    if (!Array.isArray(given)) throw invalid(name, 'a list of {id, data}', given);
    return given.map((block: unknown) => {
      const { id, data } = (block ?? {}) as Record<string, unknown>;
      if (typeof id !== 'string' || typeof data !== 'string')
        throw invalid(name, 'a list of {id, data}', block);
      return { id, data };
    });
  };
  const fromArgument = (argument: string) => {
    const [, id, data] = /^([^=]*)=(.*)$/s.exec(argument) ?? [];
    return id === undefined ? argument : { id, data };
  };
  return member(meaning, read, { repeated: true, fromArgument });
}

const isBytesOrText = (given: unknown): given is string | Uint8Array =>
  typeof given === 'string' || given instanceof Uint8Array;

/** Digits and PEM are ASCII; what is not becomes other bytes, which are refused all the same. */
const bytesOf = (given: string | Uint8Array): Uint8Array =>
  typeof given === 'string' ? Buffer.from(given, 'latin1') : given;

/** The value is never in the message: it may be a key. */
function invalid(name: string, expected: string, given: unknown): CliError {
  return new CliError('CLI_MEMBER_INVALID', `${name}: expected ${expected}, got ${kindOf(given)}`);
}

function kindOf(given: unknown): string {
  if (typeof given === 'string' || given instanceof Uint8Array) return `${given.length} characters`;
  if (Array.isArray(given)) return `a list of ${given.length}`;
  return given === null ? 'null' : `a value of type ${typeof given}`;
}
