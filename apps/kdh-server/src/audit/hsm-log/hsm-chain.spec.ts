import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { areWorthAcknowledging, ChainBroken, continueCopy, emptyCopy, hashOf } from './hsm-chain.ts';

/** A log of `length` records. */
function logOf(length: number): string[] {
  const lines: string[] = [];
  for (let seq = 1; seq <= length; seq++) {
    const prevHash = seq === 1 ? '0'.repeat(64) : hashOf(lines[seq - 2]!);
    lines.push(JSON.stringify({ event: 'command', prevHash, seq }));
  }
  return lines;
}
const log = logOf(30);

test('a log is copied in parts of any length', () => {
  fc.assert(
    fc.property(fc.nat(30), fc.nat(30), (one, two) => {
      const [first, second] = [Math.min(one, two), Math.max(one, two)];
      const ends = continueCopy(continueCopy(emptyCopy, log.slice(0, first)), log.slice(first, second));
      expect(ends).toEqual(second === 0 ? emptyCopy : { seq: second, hash: hashOf(log[second - 1]!) });
    }),
  );
});

test.each<[string, string[]]>([
  ['left out', log.toSpliced(7, 1)],
  ['put in', log.toSpliced(7, 0, log[6]!)],
  ['edited', log.with(7, log[7]!.replace('command', 'Command'))],
  ['no record', log.with(7, 'x')],
  ['null', log.with(7, 'null')],
  ['the first of another log', log.with(0, log[0]!.replace(/0{64}/, '1'.repeat(64)))],
])('a record that is %s is noticed', (_, lines) => {
  expect(() => continueCopy(emptyCopy, lines)).toThrow(ChainBroken);
});

test('acknowledgements alone are not acknowledged: each would bring the next', () => {
  expect(areWorthAcknowledging(['{"event":"acknowledged"}'])).toBe(false);
  expect(areWorthAcknowledging(['{"event":"acknowledged"}', '{"event":"command"}'])).toBe(true);
});
