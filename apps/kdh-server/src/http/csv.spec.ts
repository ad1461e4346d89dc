import { describe, expect, test } from '@jest/globals';
import { csvOf } from './csv.ts';

describe('CSV', () => {
  test('quotes as RFC 4180 and defuses formulas', () => {
    expect(
      csvOf([
        ['a', 'b'],
        ['x,y', 'say "hi"'],
        ['=1+1', null],
        [7, 'two\nlines'],
      ]),
    ).toBe(`a,b\r\n"x,y","say ""hi"""\r\n'=1+1,\r\n7,"two\nlines"\r\n`);
  });
});
