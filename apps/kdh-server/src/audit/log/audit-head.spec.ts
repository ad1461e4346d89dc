import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { auditHead } from './audit-head.ts';

const line = (seq: number) => JSON.stringify({ event: 'a', seq });
const hash = (text: string) => createHash('sha256').update(text).digest('hex').toUpperCase();

/** A log of `length` records, of which an answer has at most `most`. */
const logOf = (length: number, most: number) => async (from: number) =>
  Array.from({ length: Math.max(0, Math.min(most, length - from + 1)) }, (_, n) => line(from + n));

test('property: the head is found in a log of any length, from any head known before, in few steps', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(100_000),
      fc.integer({ min: 1, max: 50 }),
      fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
      async (length, most, seq) => {
        let steps = 0;
        const records = logOf(length, most);
        const head = await auditHead(
          (from) => {
            steps += 1;
            return records(from);
          },
          seq === undefined ? undefined : { seq, hash: '' },
        );
        expect(head).toEqual(length === 0 ? undefined : { seq: length, hash: hash(line(length)) });
        expect(steps).toBeLessThan(60);
      },
    ),
  );
});
