import { expect, test } from '@jest/globals';
import { reasonSchema } from './parameters.ts';

const objectionsTo = (value: unknown) =>
  reasonSchema.safeParse(value).error?.issues.map(({ message }) => message);

test('what is left out is said to be missing, what is of another type is not', () => {
  expect(objectionsTo({})).toEqual(['is missing']);
  expect(objectionsTo({ reason: 5 })).toEqual(['Invalid input: expected string, received number']);
});
