import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { openEntropy, rawNoise, underHealthTests } from './entropy.ts';
import { adaptiveProportionTest, type MinEntropyBits, repetitionCountTest } from './health-tests.ts';

/** How many of `samples` a test accepts before it fails; `undefined` if it accepts them all. */
const failsAfter = (healthTest: ReturnType<typeof repetitionCountTest>, samples: Iterable<number>) => {
  let n = 0;
  for (const sample of samples) {
    n += 1;
    if (!healthTest.accept(sample)) return n;
  }
  return undefined;
};

describe('SP 800-90B, 4.4', () => {
  /** Cut-offs for false alarms of 2^-20, recomputed. */
  test.each<[MinEntropyBits, number, number]>([
    [8, 4, 13],
    [4, 6, 62],
    [2, 11, 177],
    [1, 21, 311],
  ])('H = %d: repetition count %d, adaptive proportion %d', (bits, repetition, proportion) => {
    expect(failsAfter(repetitionCountTest(bits), Array(100).fill(7))).toBe(repetition);
    expect(
      failsAfter(repetitionCountTest(bits), [
        ...Array(repetition - 1).fill(7),
        8,
        ...Array(repetition - 1).fill(7),
      ]),
    ).toBeUndefined();
    expect(failsAfter(adaptiveProportionTest(bits), Array(1000).fill(7))).toBe(proportion);
  });

  test('the window of the adaptive proportion test has 512 samples', () => {
    const window = [
      ...Array(12).fill(7),
      ...Array(500)
        .fill(0)
        .map((_, n) => (n % 2) + 1),
    ];
    expect(failsAfter(adaptiveProportionTest(8), [...window, ...window])).toBeUndefined();
    window[300] = 7;
    expect(failsAfter(adaptiveProportionTest(8), window)).toBe(301);
  });

  test('random bytes pass', () => {
    expect(failsAfter(adaptiveProportionTest(8), randomBytes(512))).toBeUndefined();
  });
});

describe('noise sources', () => {
  /** Good bytes until `good` of them were drawn, then always the same. */
  const stuckAfter = (good: number) => {
    let drawn = 0;
    return (lengthBytes: number) => {
      drawn += lengthBytes;
      return drawn <= good ? randomBytes(lengthBytes) : Buffer.alloc(lengthBytes, 0x55);
    };
  };

  test('a source that is stuck at start gives nothing', () => {
    expect(() => underHealthTests(stuckAfter(0))(48)).toThrow('health tests');
  });

  test('after one alarm the source is tried once more', () => {
    let draws = 0;
    const draw = underHealthTests((n) => {
      draws += 1;
      return draws === 1 || draws === 3 ? Buffer.alloc(n) : randomBytes(n);
    });
    expect(draws).toBe(2);
    const bytes = draw(48); // an alarm again, a start-up test that is passed, and other bytes
    expect(bytes.some((byte) => byte !== 0)).toBe(true);
    expect(draws).toBe(5);
  });

  test('a source that gets stuck gives nothing any more, also when it recovers', () => {
    let stuck = false;
    const draw = underHealthTests((n) => (stuck ? Buffer.alloc(n) : randomBytes(n)));
    expect(draw(48)).toHaveLength(48);
    stuck = true;
    expect(() => draw(48)).toThrow('health tests');
    stuck = false;
    expect(() => draw(48)).toThrow('health tests');
  });

  test('one of two that fails is reported and left out; when both have failed there are no numbers', () => {
    const failures: string[] = [];
    const good = 1024;
    const entropy = openEntropy((name) => failures.push(name), {
      'operating system': stuckAfter(good + 96),
      'raw noise': stuckAfter(good + 48),
    });
    expect(entropy(48)).toHaveLength(96);
    expect(entropy(48)).toHaveLength(48);
    expect(failures).toEqual(['raw noise']);
    expect(() => entropy(48)).toThrow('no noise source is left');
    expect(failures).toEqual(['raw noise', 'operating system']);
  });

  test('without a raw source the operating system is the only one', () => {
    expect(rawNoise('/dev/no-such-device')).toBeUndefined();
    const entropy = openEntropy(() => {}, { 'operating system': randomBytes, 'raw noise': undefined });
    expect(entropy(48)).toHaveLength(48);
  });
});
