import { describe, expect, test } from '@jest/globals';
import canonicalizeModule from 'canonicalize';
import fc from 'fast-check';
import { publishedBytes, publishedTest } from '../test/published-vectors.ts';
import { hex, text, utf8, vectors } from '../test/sample-log.ts';
import { canonicalJson, type JsonValue, parseCanonicalJson } from './index.ts';

// The implementation by the author of the RFC. It is CommonJS, `module.exports = function`, but its declaration says
// `export default`: node hands over the function, while TypeScript under nodenext expects an object around it.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string;

const notCanonical = expect.objectContaining({ code: 'TLOG_NOT_CANONICAL' });
const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });

/** JSON that any parser reads, but that is not, or has no, canonical form. */
function refuses(json: string): void {
  expect(() => parseCanonicalJson(utf8(json))).toThrow(notCanonical);
}

describe('RFC 8785', () => {
  publishedTest('the inputs and outputs of its reference implementation', () => {
    for (const name of ['arrays', 'french', 'structures', 'unicode', 'weird', 'values']) {
      const input = JSON.parse(text(publishedBytes(`jcs/input/${name}.json`)));
      const output = publishedBytes(`jcs/output/${name}.json`);
      const outhex = text(publishedBytes(`jcs/outhex/${name}.txt`))
        .replaceAll(/\s/g, '')
        .toUpperCase();
      expect([name, hex(output)]).toEqual([name, outhex]);
      expect(canonicalize(input)).toBe(text(output));
      // An entry is stricter than RFC 8785: `values` holds 1e30, beyond 2^53.
      if (name === 'values') {
        expect(() => canonicalJson(input)).toThrow(notCanonical);
        input.numbers = input.numbers.filter((number: number) => number < 2 ** 53);
        expect(text(canonicalJson(input))).toBe(text(output).replace(',1e+30', ''));
      } else {
        expect(hex(canonicalJson(input))).toBe(outhex);
        expect(parseCanonicalJson(output)).toEqual(input);
      }
    }
  });

  test('the entries of test/vectors/transparency-log.json', () => {
    for (const entry of vectors.entries) {
      expect(text(canonicalJson(parseCanonicalJson(utf8(entry))))).toBe(entry);
    }
  });

  test('members by UTF-16 code units, numbers as ECMAScript writes them', () => {
    expect(text(canonicalJson({ '\u{1f600}': 1, '\uff61': 2, B: 3, a: -0, '': 1e-7 }))).toBe(
      '{"":1e-7,"B":3,"a":0,"😀":1,"｡":2}',
    );
  });
});

const anyValue = fc.jsonValue({ maxDepth: 4 }).filter((value) => {
  const numbers = JSON.stringify(value).match(/(?<!")-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g) ?? [];
  return numbers.every((number) => Math.abs(Number(number)) < 2 ** 53);
}) as fc.Arbitrary<JsonValue>;

test('every value comes back, and has one form whatever the order of its members', () => {
  const reversed = (value: JsonValue): JsonValue => {
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map(reversed);
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([name, member]) => [name, reversed(member)]),
    );
  };
  fc.assert(
    fc.property(anyValue, (value) => {
      const bytes = canonicalJson(value);
      expect(hex(canonicalJson(reversed(value)))).toBe(hex(bytes));
      expect(hex(canonicalJson(parseCanonicalJson(bytes)))).toBe(hex(bytes));
    }),
  );
});

test('every value, in texts and names of any characters, as `canonicalize` writes it', () => {
  const texts = fc.string({
    unit: fc.oneof(fc.string({ unit: 'binary', maxLength: 1 }), fc.constantFrom('"', '\\', '\u007f')),
  });
  const values = fc.oneof(anyValue, texts, fc.dictionary(texts, fc.oneof(texts, fc.integer(), fc.boolean())));
  fc.assert(fc.property(values, (value) => expect(text(canonicalJson(value))).toBe(canonicalize(value))));
});

describe('numbers', () => {
  test('to 2^53 - 1, and not beyond', () => {
    expect(text(canonicalJson([9007199254740991, -9007199254740991, 0.5]))).toBe(
      '[9007199254740991,-9007199254740991,0.5]',
    );
    for (const number of [
      2 ** 53,
      -(2 ** 53),
      1e30,
      Number.MAX_VALUE,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]) {
      expect(() => canonicalJson({ number })).toThrow(notCanonical);
    }
    for (const digits of ['9007199254740992', '9007199254740993', '-9007199254740993', '1e30', '1e400']) {
      refuses(`{"number":${digits}}`);
    }
  });

  test.each(['1.0', '1e0', '10e-1', '0.10', '-0', '1E2', '0.1000000000000000055'])(
    '%s is another spelling',
    (digits) => {
      refuses(`[${digits}]`);
    },
  );
});

describe('what would be read in two ways', () => {
  test.each([
    ['a name twice', '{"a":1,"a":1}'],
    ['a name twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a name twice, deeper', '[{"a":{"b":1,"b":2}}]'],
    ['white space', '{"a": 1}'],
    ['a line feed at the end', '{"a":1}\n'],
    ['another order', '{"b":1,"a":1}'],
    ['an escape that is not needed', '["\\u0041"]'],
    ['an escaped solidus', '["\\/"]'],
    ['an upper-case escape', '["\\u001F"]'],
    ['a lone surrogate', '["\\ud800"]'],
    ['a lone surrogate in a name', '{"\\udc00":1}'],
  ])('%s', (_, json) => {
    refuses(json);
  });

  test('lone surrogates in values and in names', () => {
    for (const lone of ['\ud800', '\udfff', 'a\ud800b', '\udc00\ud800']) {
      expect(() => canonicalJson(lone)).toThrow(notCanonical);
      expect(() => canonicalJson([lone])).toThrow(notCanonical);
      expect(() => canonicalJson({ [lone]: 1 })).toThrow(notCanonical);
    }
    expect(text(canonicalJson('\ud83d\ude02'))).toBe('"😂"');
  });

  test('a member named __proto__ is a member', () => {
    const entry = '{"__proto__":{"a":1},"constructor":2,"toJSON":3}';
    expect(text(canonicalJson(parseCanonicalJson(utf8(entry))))).toBe(entry);
  });
});

test.each([
  ['undefined', { a: undefined }],
  ['nothing at all', undefined],
  ['a hole in an array', Object.assign([1], { length: 2 })],
  ['a bigint', { a: 1n }],
  ['a symbol', { a: Symbol('a') }],
  ['a function', { a: () => 1 }],
  ['a date', { a: new Date(0) }],
  ['a map', new Map([['a', 1]])],
  ['bytes', { a: Uint8Array.of(1) }],
  ['an object that writes itself', { toJSON: () => 'x' }],
])('no JSON: %s', (_, value) => {
  expect(() => canonicalJson(value as unknown as JsonValue)).toThrow(notCanonical);
});

test('64 levels, and no stack ends the process', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  expect(text(canonicalJson(parseCanonicalJson(utf8(nested(64)))))).toBe(nested(64));
  refuses(nested(65));
  refuses(nested(100_000));
});

test('bytes that are no JSON, or no UTF-8', () => {
  for (const json of ['', '{', '{"a":01}', '\ufeff{}', "{'a':1}", '{"a":NaN}', '{} {}']) {
    expect(() => parseCanonicalJson(utf8(json))).toThrow(malformed);
  }
  expect(() => parseCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(malformed);
  expect(() => parseCanonicalJson(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).toThrow(malformed);
});

test('a flipped bit anywhere in an entry gives another entry or none, never the same', () => {
  const entry = utf8(vectors.entries[1]!);
  const value = JSON.stringify(parseCanonicalJson(entry));
  for (let at = 0; at < entry.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Uint8Array.from(entry);
      changed[at]! ^= 1 << bit;
      try {
        expect(JSON.stringify(parseCanonicalJson(changed))).not.toBe(value);
      } catch (error) {
        expect(error).toMatchObject({ name: 'TransparencyLogError' });
      }
    }
  }
});
