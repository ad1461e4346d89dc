import { expect, test } from '@jest/globals';
import { failedSelfTests, selfTests } from './self-tests.ts';

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
