import { expect, test } from '@jest/globals';
import { uuidV7 } from './uuid.ts';

test('RFC 9562, A.6, example of a UUIDv7 value', () => {
  const random = Buffer.from('0CC318C4DC0C0C07398F', 'hex');
  expect(uuidV7(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
});

test('version and variant stand whatever the random bytes are', () => {
  for (const byte of [0x00, 0xff]) {
    expect(uuidV7(0, Buffer.alloc(10, byte))).toMatch(/^00000000-0000-7[0f]{3}-[8b][0f]{3}-[0f]{12}$/);
  }
});

test('the present time, and another value each time', () => {
  const before = Date.now();
  const [one, two] = [uuidV7(), uuidV7()];
  expect(one).not.toBe(two);
  const time = Number.parseInt(one.replaceAll('-', '').slice(0, 12), 16);
  expect(time).toBeGreaterThanOrEqual(before);
  expect(time).toBeLessThanOrEqual(Date.now());
});
