import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hex, utf8 } from '../test/sample-log.ts';
import { formatEntryBundle, maxEntryBytes, parseEntryBundle } from './index.ts';

const hostile = expect.objectContaining({ code: 'TLOG_HOSTILE_SIZE' });
const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });

test('length[2] entry[length], C2SP tlog-tiles, "Log entries"', () => {
  const bundle = formatEntryBundle([utf8('one'), utf8(''), new Uint8Array(258)]);
  expect(hex(bundle.subarray(0, 9))).toBe('00036F6E6500000102');
  expect(parseEntryBundle(bundle).map((entry) => entry.length)).toEqual([3, 0, 258]);
});

test('every bundle comes back', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });
  fc.assert(
    fc.property(entries, (written) => {
      expect(parseEntryBundle(formatEntryBundle(written)).map(hex)).toEqual(written.map(hex));
    }),
    { numRuns: 50 },
  );
});

test('an entry has at most 65,535 bytes, a bundle 1 to 256 entries', () => {
  expect(parseEntryBundle(formatEntryBundle([new Uint8Array(maxEntryBytes)]))[0]).toHaveLength(65_535);
  expect(() => formatEntryBundle([new Uint8Array(maxEntryBytes + 1)])).toThrow(hostile);
  expect(parseEntryBundle(new Uint8Array(512))).toHaveLength(256);
  expect(() => formatEntryBundle([])).toThrow(hostile);
  expect(() => formatEntryBundle(Array.from({ length: 257 }, () => utf8('')))).toThrow(hostile);
  expect(() => parseEntryBundle(new Uint8Array(0))).toThrow(hostile);
  expect(() => parseEntryBundle(new Uint8Array(514))).toThrow(hostile);
  expect(() => parseEntryBundle(new Uint8Array(100_000_000))).toThrow(hostile); // without a list of 50 million
});

test('cut anywhere but between two entries, a bundle is refused', () => {
  const bundle = formatEntryBundle([utf8('one'), utf8('four')]);
  for (let length = 1; length < bundle.length; length++) {
    if (length === 5) expect(parseEntryBundle(bundle.subarray(0, length))).toHaveLength(1);
    else expect(() => parseEntryBundle(bundle.subarray(0, length))).toThrow(malformed);
  }
});
