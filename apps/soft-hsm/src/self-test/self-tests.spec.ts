import { expect, test } from '@jest/globals';
import { failedSelfTests, selfTests } from './self-tests.ts';
import { isTraced } from './watchdog.ts';

test.each(selfTests)('$name', ({ passes }) => {
  expect(passes()).toBe(true);
});

test('a test that fails or throws is named', () => {
  const tests = [
    { name: 'good', passes: () => true },
    { name: 'wrong', passes: () => false },
    {
      name: 'broken',
      passes() {
        throw new Error('broken');
      },
    },
  ];
  expect(failedSelfTests(tests)).toEqual(['wrong', 'broken']);
  expect(failedSelfTests()).toEqual([]);
});

test('a tracer shows in /proc/self/status', () => {
  expect(isTraced('Name:\tnode\nTracerPid:\t0\nUid:\t0')).toBe(false);
  expect(isTraced('Name:\tnode\nTracerPid:\t4711\nUid:\t0')).toBe(true);
  expect(isTraced('')).toBe(false);
  expect(isTraced()).toBe(false);
});
