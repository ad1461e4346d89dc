import { describe, expect, test } from '@jest/globals';
import { csvOf } from './csv.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';

describe('CSV', () => {
  test('quotes as RFC 4180 and defuses formulas', () => {
    expect(
      csvOf(
        ['a', 'b'],
        [
          ['x,y', 'say "hi"'],
          ['=1+1', null],
          [7, 'two\nlines'],
        ],
      ),
    ).toBe(`a,b\r\n"x,y","say ""hi"""\r\n'=1+1,\r\n7,"two\nlines"\r\n`);
  });
});

describe('cursor', () => {
  const cursor = { createdAt: '2026-11-24T06:00:00.123456Z', id: '0197fa2c-0000-7000-8000-000000000001' };
  test('round trip', () => expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor));
  test.each(['', 'AAAA', encodeCursor({ ...cursor, id: "x' or 1=1" })])('refuses %j', (text) =>
    expect(() => decodeCursor(text)).toThrow('take the cursor'),
  );
});
