import canonicalizeModule from 'canonicalize';
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

// The package is CommonJS, `module.exports = function`, but its declaration says `export default`: node hands over the
// function, while TypeScript under nodenext expects an object around it.
const canonicalize = canonicalizeModule as unknown as (value: JsonValue) => string;

/** Far beyond any event, and far below the depth at which a recursion ends the process. */
const maxDepth = 64;

/**
 * The entry of a value: its one canonical form (RFC 8785), UTF-8. Refuses what that form cannot carry without loss:
 * numbers beyond ±(2^53 − 1) or not finite, lone surrogates, what is no JSON, and nesting beyond 64 levels.
 * @throws TLOG_NOT_CANONICAL
 */
export function canonicalJson(value: JsonValue): Uint8Array {
  requireCanonical(value, 0);
  return encodeUtf8(canonicalize(value));
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

function requireCanonical(value: unknown, depth: number): void {
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    // Every whole number beyond has neighbours that JSON.parse would turn into it.
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return;
    throw notCanonical('numbers to 2^53 - 1', 'one beyond');
  }
  if (typeof value === 'string') return requireWellFormed(value);
  if (depth === maxDepth) throw notCanonical(`at most ${maxDepth} levels`, 'more');
  if (Array.isArray(value)) {
    // By index, since a hole in an array must not pass.
    for (let n = 0; n < value.length; n++) requireCanonical(value[n], depth + 1);
    return;
  }
  if (typeof value !== 'object' || !isPlain(value)) throw notCanonical('JSON values', typeof value);
  for (const [name, member] of Object.entries(value)) {
    requireWellFormed(name);
    requireCanonical(member, depth + 1);
  }
}

/** Whether an object is no instance of a class: those hold what JSON does not show, or have a toJSON of their own. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function requireWellFormed(text: string): void {
  if (/\p{Cs}/u.test(text)) throw notCanonical('well-formed text', 'a lone surrogate');
}

function notCanonical(expected: string, came: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_NOT_CANONICAL', `entry: expected ${expected}, got ${came}`);
}
