import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hex, numberedEntries, SampleLog } from '../test/sample-log.ts';
import { CompactRange, emptyRoot, leafHash, maxSize } from './index.ts';

const leaves = numberedEntries(600).map(leafHash);

function rangeOf(size: number): CompactRange {
  const range = CompactRange.empty();
  for (const leaf of leaves.slice(0, size)) range.append(leaf);
  return range;
}

test('begins empty, and holds one hash for each one-bit of its size', () => {
  const range = CompactRange.empty();
  expect(range.size).toBe(0n);
  expect(hex(range.root())).toBe(hex(emptyRoot()));
  for (let size = 1; size <= leaves.length; size++) {
    range.append(leaves[size - 1]!);
    expect(range.size).toBe(BigInt(size));
    expect(range.hashes).toHaveLength(size.toString(2).replaceAll('0', '').length);
  }
});

test('goes on from what was kept, at any size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 600 }), (a, b) => {
      const [kept, size] = [Math.min(a, b), Math.max(a, b)];
      const before = rangeOf(kept);
      const range = CompactRange.from(before.size, before.hashes);
      for (const leaf of leaves.slice(kept, size)) range.append(leaf);
      expect(hex(range.root())).toBe(hex(rangeOf(size).root()));
    }),
    { numRuns: 30 },
  );
});

test('is read from tiles, at any size', () => {
  const log = new SampleLog('example.com/sample-log');
  for (const count of [1, 6, 249, 1, 255, 88]) {
    log.grow(numberedEntries(count, log.entries.length));
    const range = CompactRange.read(log.range.size, log.subtreeHash());
    expect(range.hashes.map(hex)).toEqual(log.range.hashes.map(hex));
    expect(range.hasRoot(log.range.root())).toBe(true);
  }
});

test('a copy goes its own way, and what was read out is no way in', () => {
  const range = rangeOf(5);
  const root = hex(range.root());
  const copy = range.copy();
  copy.append(leaves[5]!);
  (range.hashes as Uint8Array[]).pop();
  expect(hex(range.root())).toBe(root);
  expect(hex(copy.root())).toBe(hex(rangeOf(6).root()));
});

test('refuses hashes that do not go with the size, every other length of a hash, and a size beyond 2^63 - 1', () => {
  const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });
  const hostile = expect.objectContaining({ code: 'TLOG_HOSTILE_SIZE' });
  for (let count = 0; count <= 5; count++) {
    if (count !== 3) expect(() => CompactRange.from(7n, leaves.slice(0, count))).toThrow(malformed);
  }
  for (let length = 0; length <= 65; length++) {
    if (length === 32) continue;
    expect(() => CompactRange.empty().append(new Uint8Array(length))).toThrow(malformed);
    expect(() => CompactRange.from(1n, [new Uint8Array(length)])).toThrow(malformed);
  }
  for (const size of [-1n, maxSize + 1n]) expect(() => CompactRange.from(size, [])).toThrow(hostile);
  const full = CompactRange.from(maxSize, leaves.slice(0, 63));
  expect(() => full.append(leaves[0]!)).toThrow(hostile);
});
