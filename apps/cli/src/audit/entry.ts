import { type JsonValue, parseCanonicalJson, TransparencyLogError } from '@openkdh/transparency-log';

/** An entry of the log of a KDH. docs/audit-log.md, "Entries". */
export interface Entry {
  /** Of the event in the KDH's database; says nothing about the order. */
  readonly id: string;
  /** RFC 3339 in UTC, to the microsecond. */
  readonly time: string;
  readonly type: string;
  readonly actor: string;
  /** UUID. */
  readonly terminal?: string;
  /** UUID. */
  readonly attempt?: string;
  readonly body: Body;
}
export type Body = { readonly [name: string]: JsonValue };

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const isText = (value: unknown) => typeof value === 'string' && value !== '';
const matches = (form: RegExp) => (value: unknown) => typeof value === 'string' && form.test(value);
const orAbsent = (fits: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || fits(value);

/** docs/audit-log.md, "Entries". */
const members: Readonly<Record<string, (value: unknown) => boolean>> = {
  v: (value) => value === 1,
  id: matches(/^[1-9][0-9]{0,18}$/),
  time: matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
  type: isText,
  actor: isText,
  terminal: orAbsent(matches(uuid)),
  attempt: orAbsent(matches(uuid)),
  body: isObject,
};

/** Reads an entry. @throws TLOG_MALFORMED, TLOG_NOT_CANONICAL */
export function parseEntry(bytes: Uint8Array, index: bigint): Entry {
  const value = parseCanonicalJson(bytes);
  if (!isObject(value)) throw malformed(index, 'an object');
  for (const [name, fits] of Object.entries(members)) {
    if (!fits(value[name])) throw malformed(index, `a member ${name} as version 1 of the format has it`);
  }
  if (Object.keys(value).some((name) => !Object.hasOwn(members, name))) {
    throw malformed(index, 'no other members than those of version 1');
  }
  return value as unknown as Entry;
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(index: bigint, expected: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_MALFORMED', `entry ${index}: expected ${expected}`);
}
