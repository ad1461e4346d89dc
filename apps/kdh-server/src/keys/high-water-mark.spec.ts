import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { doubtfulKsns } from './accept-restore.ts';
import {
  type BdkState,
  contradictions,
  type DatabaseState,
  type HighWaterMark,
  markOf,
  readMark,
  writeMark,
} from './high-water-mark.ts';

const bdk: BdkState = {
  id: 'b',
  scheme: 'AES',
  bdkId: '12345678',
  nextDevice: 11n,
  maxDevices: 1_000n,
  highestDevice: 10n,
};
const database: DatabaseState = { origin: 'log', size: 50n, root: 'R50', rootAtMark: 'R40', bdks: [bdk] };
const mark: HighWaterMark = {
  origin: 'log',
  size: 40n,
  root: 'R40',
  devices: { b: 9n },
  operations: 100n,
};

describe('a database that is held against the mark (F23)', () => {
  test('may have gone on, or stand where it stood', () => {
    expect(contradictions(mark, database)).toEqual([]);
    expect(contradictions(markOf(database, 1n), { ...database, rootAtMark: 'R50' })).toEqual([]);
  });
  test('a node that is new has no mark, and a mark may be from before the first checkpoint', () => {
    expect(contradictions(undefined, database)).toEqual([]);
    expect(contradictions({ ...mark, size: 0n, root: '' }, { ...database, rootAtMark: null })).toEqual([]);
  });
  test.each([
    ['its log is shorter', { size: 39n }, 'its log ends at entry 39, this node knows 40'],
    ['its log was made anew', { rootAtMark: 'other' }, 'its log is another one than this node knows'],
    ['its log never had that size', { rootAtMark: null }, 'its log is another one than this node knows'],
    ['it is another database', { origin: 'other' }, 'its log is other, this node knows log'],
    ['it is empty', { origin: null }, 'its log is not there, this node knows log'],
    ['a BDK is gone', { bdks: [] }, 'BDK b is not there'],
    [
      'a BDK has gone back',
      { bdks: [{ ...bdk, nextDevice: 8n, highestDevice: 0n }] },
      'BDK b goes on with device 8, this node knows 9',
    ],
  ] as const)('%s', (_, change, found) => {
    expect(contradictions(mark, { ...database, ...change } as DatabaseState)).toEqual([
      expect.stringContaining(found),
    ]);
  });
  test('a BDK that would give again what an attempt has, with a mark and without', () => {
    const back = { ...database, bdks: [{ ...bdk, nextDevice: 10n }] };
    for (const known of [mark, undefined]) {
      expect(contradictions(known, back)).toEqual(['BDK b would give device 10 again']);
    }
  });
});

describe('the KSNs in doubt', () => {
  const burned = (...parameters: Parameters<typeof doubtfulKsns>) =>
    doubtfulKsns(...parameters).map(({ first, last, nextDevice }) => [first, last, nextDevice]);

  test('those up to the mark and beyond it, the highest of an attempt, and no more than the BDK has', () => {
    const back = { ...bdk, nextDevice: 5n, highestDevice: 0n };
    expect(burned(mark, [back], 3n)).toEqual([['123456780000000500000000', '123456780000000B00000000', 12n]]);
    expect(burned(mark, [{ ...back, highestDevice: 20n }], 3n)[0]![2]).toBe(21n);
    expect(burned(mark, [back], 5_000n)[0]![2]).toBe(1_001n);
    expect(burned(undefined, [{ ...back, highestDevice: 5n }], 0n)).toEqual([
      ['123456780000000500000000', '123456780000000500000000', 6n],
    ]);
    expect(burned(mark, [bdk], 0n)).toEqual([]);
  });

  test('property: afterwards nothing contradicts the mark, and accepting again burns nothing', () => {
    const device = fc.bigInt(1n, 40n);
    fc.assert(
      fc.property(device, device, fc.bigInt(0n, 40n), fc.bigInt(0n, 5n), (next, marked, highest, beyond) => {
        const restored = { ...bdk, nextDevice: next, highestDevice: highest };
        const known = { ...mark, devices: { b: marked } };
        const [burnt] = doubtfulKsns(known, [restored], beyond);
        const after = { ...restored, nextDevice: burnt?.nextDevice ?? next };
        expect(contradictions(known, { ...database, bdks: [after] })).toEqual([]);
        expect(doubtfulKsns(known, [after], beyond)).toEqual([]);
        expect(after.nextDevice >= marked + beyond).toBe(true);
      }),
    );
  });
});

describe('the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-mark-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is read as it was written, in a folder of its own making, and replaced as a whole', () => {
    const file = join(folder, 'state', 'mark.json');
    expect(readMark(file)).toBeUndefined();
    writeMark(file, { ...mark, operations: undefined });
    expect(readMark(file)).toEqual({ ...mark, operations: undefined });
    writeMark(file, { ...mark, size: 2n ** 60n });
    expect(readMark(file)).toEqual({ ...mark, size: 2n ** 60n });
    expect(readdirSync(join(folder, 'state'))).toEqual(['mark.json']);
  });

  test.each(['', '{', '{"size":"1"}'])('that says %j is not taken for none', (text) => {
    const file = join(folder, 'bad.json');
    writeFileSync(file, text);
    expect(() => readMark(file)).toThrow();
  });
});
