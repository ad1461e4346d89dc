import { describe, expect, test } from '@jest/globals';
import { canonicalJson } from './canonical-json.ts';

describe('canonical JSON, RFC 8785', () => {
  test.each<[unknown, string]>([
    [{ b: 1, a: [true, 'x'], '': {} }, '{"":{},"a":[true,"x"],"b":1}'],
    [
      { '\u20ac': 1, '\r': 2, '1': 3, '\u0080': 4, '\u00f6': 5 },
      '{"\\r":2,"1":3,"\u0080":4,"\u00f6":5,"\u20ac":1}',
    ], // 3.2.3
    ['\u000f\n"\\', '"\\u000f\\n\\"\\\\"'],
  ])('%j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  test.each([1.5, Number.NaN, 2 ** 53, null, undefined, [null], { a: undefined }])(
    '%p has no place in it',
    (value) => {
      expect(() => canonicalJson(value)).toThrow(RangeError);
    },
  );
});
