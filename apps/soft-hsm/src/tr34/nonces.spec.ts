import { expect, test } from '@jest/globals';
import { OutstandingNonces, UsedNonces } from './nonces.ts';

const nonce = (n: number) => Buffer.alloc(16, n);

test('an outstanding nonce is good once', () => {
  const nonces = new OutstandingNonces(() => 0);
  nonces.add(nonce(1));
  expect(nonces.take(nonce(2))).toBe(false);
  expect(nonces.take(nonce(1))).toBe(true);
  expect(nonces.take(nonce(1))).toBe(false);
});

test('and for a quarter of an hour', () => {
  let now = 0;
  const nonces = new OutstandingNonces(() => now);
  nonces.add(nonce(1));
  nonces.add(nonce(2));
  now = 899_999;
  expect(nonces.take(nonce(1))).toBe(true);
  now = 900_000;
  expect(nonces.take(nonce(2))).toBe(false);
});

test('of seventeen the first is forgotten', () => {
  const nonces = new OutstandingNonces(() => 0);
  for (let n = 0; n < 17; n += 1) nonces.add(nonce(n));
  expect(nonces.take(nonce(0))).toBe(false);
  expect(nonces.take(nonce(1))).toBe(true);
});

test('a KRD uses a nonce once; another KRD may use the same', () => {
  const used = new UsedNonces();
  expect(used.use(Buffer.from('a'), nonce(1))).toBe(true);
  expect(used.use(Buffer.from('a'), nonce(1))).toBe(false);
  expect(used.use(Buffer.from('b'), nonce(1))).toBe(true);
});
