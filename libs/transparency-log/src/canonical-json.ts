import { TransparencyLogError } from './errors.ts';
import { decodeUtf8, encodeUtf8, equalBytes } from './fields.ts';

/** What an entry may hold. Times and amounts that need more than 53 bits are strings. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** Far beyond any event, and far below the depth at which a recursion ends the process. */
const maxDepth = 64;

/**
 * The entry of a value: its one canonical form (RFC 8785), UTF-8. Refuses what that form cannot carry without loss:
 * numbers beyond ±(2^53 − 1) or not finite, lone surrogates, what is no JSON, and nesting beyond 64 levels.
 * @throws TLOG_NOT_CANONICAL
 */
export function canonicalJson(value: JsonValue): Uint8Array {
  return encodeUtf8(serialize(value, 0));
}

/**
 * Reads an entry back: only the bytes that `canonicalJson` gives for its value. So a name that occurs twice, digits
 * that a number cannot hold, white space, and another order of members are refused. @throws TLOG_NOT_CANONICAL, TLOG_MALFORMED
 */
export function parseCanonicalJson(bytes: Uint8Array): JsonValue {
  const text = decodeUtf8(bytes, 'entry');
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TransparencyLogError('TLOG_MALFORMED', `entry: expected JSON, got ${bytes.length} other bytes`);
  }
  if (!equalBytes(canonicalJson(value), bytes)) {
    throw notCanonical('JSON in the one form of RFC 8785', 'another');
  }
  return value;
}

/** RFC 8785, section 3.2: in one pass with the checks, since every entry of the log is written by it. */
function serialize(value: unknown, depth: number): string {
  if (typeof value === 'string') return serializeText(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    // Every whole number beyond has neighbours that JSON.parse would turn into it.
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return String(value); // 3.2.2.3: as ECMAScript writes it
    throw notCanonical('numbers to 2^53 - 1', 'one beyond');
  }
  if (depth === maxDepth) throw notCanonical(`at most ${maxDepth} levels`, 'more');
  let members = '';
  if (Array.isArray(value)) {
    // By index, since a hole in an array must not pass.
    for (let n = 0; n < value.length; n++) members += `${n > 0 ? ',' : ''}${serialize(value[n], depth + 1)}`;
    return `[${members}]`;
  }
  if (typeof value !== 'object' || !isPlain(value)) throw notCanonical('JSON values', typeof value);
  const names = Object.keys(value).sort(); // 3.2.3: by UTF-16 code units
  for (const name of names) {
    const member = serialize((value as Record<string, unknown>)[name], depth + 1);
    members += `${members && ','}${serializeText(name)}:${member}`;
  }
  return `{${members}}`;
}

/** A text whose characters all stand for themselves: most are. RFC 8785, 3.2.2.2. */
const unescaped = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/;

function serializeText(text: string): string {
  if (unescaped.test(text)) return `"${text}"`;
  if (/\p{Cs}/u.test(text)) throw notCanonical('well-formed text', 'a lone surrogate');
  return JSON.stringify(text); // escapes as RFC 8785 wants it
}

/** Whether an object is no instance of a class: those hold what JSON does not show, or have a toJSON of their own. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function notCanonical(expected: string, came: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_NOT_CANONICAL', `entry: expected ${expected}, got ${came}`);
}
