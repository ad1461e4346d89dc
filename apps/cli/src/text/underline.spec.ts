import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { underline } from './underline.ts';

test.each([
  ['a span', 'B0080P0TV', { start: 8, end: 9 }, 'B0080P0TV\n        ^\n'],
  ['everything', 'hello', { start: 0, end: 5 }, 'hello\n^^^^^\n'],
  ['nothing', '', { start: 0, end: 0 }, '\n^\n'],
  ['the place after the end', 'hello', { start: 5, end: 5 }, 'hello\n     ^\n'],
  ['what cannot be printed', 'a\x1b[é\u{1f511}', { start: 3, end: 4 }, 'a?[???\n   ^\n'],
  ['a span before a long end', `ab${'x'.repeat(100)}`, { start: 1, end: 2 }, `ab${'x'.repeat(74)}…\n ^\n`],
  [
    'a long span',
    'x'.repeat(200),
    { start: 10, end: 190 },
    `${'x'.repeat(76)}…\n${' '.repeat(10)}${'^'.repeat(66)}\n`,
  ],
])('%s', (_, text, span, expected) => {
  expect(underline(text, span)).toBe(expected);
});

test('the carets are under the span, wherever it is', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), fc.integer({ min: 1, max: 10 }), (before, after, length) => {
      const text = '.'.repeat(before) + '#'.repeat(length) + '.'.repeat(after);
      const [shown, carets] = underline(text, { start: before, end: before + length }).split('\n');
      const underlined = [...shown!].filter((_, n) => carets![n] === '^').join('');
      expect(underlined).toBe('#'.repeat(length));
      expect(shown!.length).toBeLessThanOrEqual(78);
    }),
  );
});
