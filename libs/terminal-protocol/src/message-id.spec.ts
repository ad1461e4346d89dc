import { expect, test } from '@jest/globals';
import { messageId } from './fields.ts';
import { newMessageId } from './message-id.ts';

test('UUIDs of version 7, none of them twice, of the time at which they were made', () => {
  const before = Date.now();
  const ids = Array.from({ length: 2_000 }, newMessageId); // from several pools
  const after = Date.now();
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) {
    expect(messageId.safeParse(id).success).toBe(true);
    // RFC 9562, 5.7: the first 48 bits are milliseconds since 1970.
    const time = Number.parseInt(id.replace('-', '').slice(0, 12), 16);
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(after);
  }
});
