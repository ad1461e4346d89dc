import { createHash } from 'node:crypto';
import { canonicalJson, type JsonValue, parseCanonicalJson } from './canonical-json.ts';
import { TransparencyLogError } from './errors.ts';
import { decodeUtf8 } from './fields.ts';

/** A name that stays out of the log, so that it can be erased: docs/audit-log.md, "Names". */
export interface CommittedName {
  /** What stands in the log in its place: {@link commitmentOf} salt and name, 64 digits of upper-case hex. */
  readonly commitment: string;
  readonly name: string;
  /** 32 random bytes of this name's own, in upper-case hex: without it a commitment tells nothing of the name. */
  readonly salt: string;
}

/**
 * The commitment to a name: SHA-256(salt ‖ name in UTF-8), in upper-case hex. All 32 bytes of it: whoever keeps the names
 * must not be able to find two that have the same. @throws TLOG_MALFORMED (a salt that has not 32 bytes)
 */
export function commitmentOf(salt: Uint8Array, name: string): string {
  if (salt.length !== 32) throw malformed(`salt: expected 32 bytes, got ${salt.length}`);
  return createHash('sha256').update(salt).update(name, 'utf8').digest('hex').toUpperCase();
}

/** Names as JSON lines, each in canonical form. */
export function formatCommittedNames(names: readonly CommittedName[]): string {
  return names
    .map(({ commitment, name, salt }) => `${Buffer.from(canonicalJson({ commitment, name, salt }))}\n`)
    .join('');
}

/**
 * Reads what {@link formatCommittedNames} gives, and checks each name against its commitment.
 * @throws TLOG_MALFORMED, TLOG_NOT_CANONICAL, TLOG_ENTRY_ALTERED (another name or salt than was committed to)
 */
export function openCommittedNames(bytes: Uint8Array): CommittedName[] {
  const lines = decodeUtf8(bytes, 'names').split('\n');
  if (lines.pop() !== '') throw malformed('names: expected a line feed at the end');
  return lines.map((line, n) => openCommittedName(parseCanonicalJson(Buffer.from(line)), n + 1));
}

function openCommittedName(value: JsonValue, line: number): CommittedName {
  const { commitment, name, salt } = { ...(value as Partial<Record<string, JsonValue>>) };
  const members = Object.keys(Object(value)).join();
  if (members !== 'commitment,name,salt' || !isHex32(commitment) || !isHex32(salt) || !isName(name)) {
    throw malformed(`names, line ${line}: expected a commitment, a name and a salt`);
  }
  if (commitmentOf(Buffer.from(salt, 'hex'), name) !== commitment) {
    throw new TransparencyLogError(
      'TLOG_ENTRY_ALTERED',
      `names, line ${line}: the commitment is to another name`,
    );
  }
  return { commitment, name, salt };
}

const matches =
  (form: RegExp) =>
  (value: unknown): value is string =>
    typeof value === 'string' && form.test(value);
const isHex32 = matches(/^[0-9A-F]{64}$/);
/** Names are printed: no control characters, nothing that turns the direction of writing, no ends of lines. */
const isName = matches(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u);

function malformed(message: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_MALFORMED', message);
}
