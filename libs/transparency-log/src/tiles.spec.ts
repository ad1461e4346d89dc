import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hex, numberedEntries, SampleLog } from '../test/sample-log.ts';
import {
  CompactRange,
  consistencyProof,
  consistencyTiles,
  growTiles,
  hashesOfTile,
  inclusionProof,
  inclusionTiles,
  leafHash,
  maxSize,
  parseTilePath,
  type ReadTile,
  rootTiles,
  subtreeHashFromTiles,
  type Tile,
  TransparencyLogError,
  tilePath,
  tilesOfGrowth,
  verifyConsistency,
  verifyInclusion,
} from './index.ts';

const hostile = expect.objectContaining({ code: 'TLOG_HOSTILE_SIZE' });
const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });

describe('paths, C2SP tlog-tiles', () => {
  test.each([
    ['tile/0/000', { level: 0, index: 0n, width: 256 }],
    ['tile/1/x001/x234/067', { level: 1, index: 1234067n, width: 256 }],
    ['tile/0/273.p/112', { level: 0, index: 273n, width: 112 }],
    ['tile/entries/x001/000.p/1', { level: 'entries', index: 1000n, width: 1 }],
    ['tile/63/999.p/255', { level: 63, index: 999n, width: 255 }],
    ['tile/0/x009/x223/x372/x036/x854/x775/807', { level: 0, index: maxSize, width: 256 }],
  ] as [string, Tile][])('%s', (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  const anyTile = fc.record({
    level: fc.oneof(fc.nat(63), fc.constant('entries' as const)),
    index: fc.bigInt(0n, maxSize),
    width: fc.integer({ min: 1, max: 256 }),
  });

  test('every tile comes back from its path', () => {
    fc.assert(fc.property(anyTile, (tile) => expect(parseTilePath(tilePath(tile))).toEqual(tile)));
  });

  test('another spelling is refused, and so is any changed character that does not name another tile', () => {
    for (const path of [
      '',
      'tile/0',
      'tile/0/',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/x000/000',
      'tile/0/000/000',
      'tile/0/x001',
      'tile/00/000',
      'tile/01/000',
      'tile/-1/000',
      'tile/data/000',
      'tile/0/000.p/001',
      'tile/0/000.p/256',
      'tile/0/000.p/',
      'tile/0/000.p',
      'tile/0/-01',
      '/tile/0/000',
      'tile/0/000\n',
      'tile/0/../../checkpoint',
    ]) {
      expect(() => parseTilePath(path)).toThrow(TransparencyLogError);
    }
    fc.assert(
      fc.property(anyTile, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (tile, n, character) => {
        const path = tilePath(tile);
        const at = n % path.length;
        const changed = path.slice(0, at) + character + path.slice(at + 1);
        if (changed === path) return;
        try {
          expect(tilePath(parseTilePath(changed))).toBe(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(TransparencyLogError);
        }
      }),
    );
  });

  test('hostile sizes', () => {
    for (const path of [
      'tile/64/000',
      'tile/99/000',
      'tile/0/000.p/0',
      'tile/0/000.p/257',
      'tile/0/000.p/999',
      'tile/0/x009/x223/x372/x036/x854/x775/808',
      'tile/0/x999/x999/x999/x999/x999/x999/999',
    ]) {
      expect(() => parseTilePath(path)).toThrow(hostile);
    }
    for (const tile of [
      { level: -1, index: 0n, width: 1 },
      { level: 0.5, index: 0n, width: 1 },
      { level: 64, index: 0n, width: 1 },
      { level: 0, index: -1n, width: 1 },
      { level: 0, index: 2n ** 63n, width: 1 },
      { level: 0, index: 0n, width: 0 },
      { level: 0, index: 0n, width: 1.5 },
      { level: 0, index: 0n, width: Number.NaN },
      { level: 0, index: 0n, width: 257 },
    ]) {
      expect(() => tilePath(tile)).toThrow(hostile);
    }
  });
});

describe('growth', () => {
  /** All tiles of a log, as C2SP tlog-tiles, "Partial Tiles" counts them. */
  function paths(oldSize: bigint, newSize: bigint): string[] {
    return [...tilesOfGrowth(oldSize, newSize)].map(tilePath);
  }

  test('a log of 70,000 entries, the example of C2SP tlog-tiles', () => {
    const tiles = [...tilesOfGrowth(0n, 70_000n)];
    const count = (level: number, full: boolean) =>
      tiles.filter((tile) => tile.level === level && (tile.width === 256) === full).length;
    expect([count(0, true), count(0, false), count(1, true), count(1, false), count(2, false)]).toEqual([
      273, 1, 1, 1, 1,
    ]);
    expect(tiles).toHaveLength(277);
    expect(tiles.filter(({ width }) => width < 256).map(tilePath)).toEqual([
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
  });

  test('from any size to any other', () => {
    expect(paths(0n, 0n)).toEqual([]);
    expect(paths(5n, 5n)).toEqual([]);
    expect(paths(0n, 1n)).toEqual(['tile/0/000.p/1']);
    expect(paths(3n, 5n)).toEqual(['tile/0/000.p/5']);
    expect(paths(0n, 256n)).toEqual(['tile/0/000', 'tile/1/000.p/1']);
    expect(paths(255n, 257n)).toEqual(['tile/0/000', 'tile/0/001.p/1', 'tile/1/000.p/1']);
    expect(paths(256n, 257n)).toEqual(['tile/0/001.p/1']);
    expect(paths(65_535n, 65_536n)).toEqual(['tile/0/255', 'tile/1/000', 'tile/2/000.p/1']);
  });

  test('the tiles that are written are those that are named, around each full tile and anywhere', () => {
    const writesWhatIsNamed = (oldSize: number, newSize: number) => {
      const log = new SampleLog('example.com/sample-log', numberedEntries(oldSize));
      const added = numberedEntries(newSize - oldSize, oldSize).map(leafHash);
      const written = [...growTiles(log.range.size, log.readTile, added)];
      expect(written.map(({ tile }) => tilePath(tile))).toEqual(paths(BigInt(oldSize), BigInt(newSize)));
      for (const { tile, bytes } of written) expect(bytes).toHaveLength(tile.width * 32);
    };
    const edges = [0, 1, 254, 255, 256, 257, 511, 512, 513];
    for (const newSize of edges) {
      for (const oldSize of edges.filter((edge) => edge <= newSize)) writesWhatIsNamed(oldSize, newSize);
    }
    fc.assert(
      fc.property(fc.nat(1200), fc.nat(1200), (a, b) => writesWhatIsNamed(Math.min(a, b), Math.max(a, b))),
      { numRuns: 10 },
    );
  });

  test('the same log in one step or in many', () => {
    const [once, often] = [new SampleLog(), new SampleLog()];
    once.grow(numberedEntries(1300));
    for (const count of [0, 1, 254, 1, 1, 256, 511, 276]) {
      often.grow(numberedEntries(count, often.entries.length));
    }
    for (const [path, bytes] of once.files)
      expect([path, hex(often.files.get(path)!)]).toEqual([path, hex(bytes)]);
  });

  test('refuses what no log can be, before it makes a list', () => {
    expect(() => paths(7n, 3n)).toThrow(expect.objectContaining({ code: 'TLOG_TAIL_CUT' }));
    for (const size of [-1n, 2n ** 63n]) {
      expect(() => paths(size, 2n ** 64n)).toThrow(hostile);
      expect(() => paths(0n, size)).toThrow(hostile);
      expect(() => rootTiles(size)).toThrow(hostile);
      expect(() => inclusionTiles(0n, size)).toThrow(hostile);
      expect(() => consistencyTiles(1n, size)).toThrow(hostile);
      expect(() => subtreeHashFromTiles(size, () => new Uint8Array(0))).toThrow(hostile);
      expect(() => [...growTiles(size, () => new Uint8Array(0), [])]).toThrow(hostile);
    }
    expect(() => [...growTiles(maxSize, () => new Uint8Array(0), [leafHash(new Uint8Array(0))])]).toThrow(
      hostile,
    );
    expect(tilesOfGrowth(0n, maxSize).next().value).toEqual({ level: 0, index: 0n, width: 256 });
  });

  test('refuses a leaf hash or a partial tile of another length', () => {
    const log = new SampleLog('example.com/sample-log', numberedEntries(3));
    const leaf = leafHash(new Uint8Array(0));
    for (let length = 0; length <= 65; length++) {
      if (length === 32) continue;
      expect(() => [...growTiles(3n, log.readTile, [leaf, new Uint8Array(length)])]).toThrow(malformed);
    }
    for (let length = 0; length <= 97; length++) {
      if (length === 96) continue;
      expect(() => [...growTiles(3n, () => new Uint8Array(length), [leaf])]).toThrow(malformed);
    }
  });
});

describe('hashes from tiles', () => {
  const size = 70_000;
  const log = new SampleLog('example.com/sample-log', numberedEntries(size));
  const head = { size: BigInt(size), root: log.range.root() };

  /** Gives only the tiles that were fetched before; what else is asked for was not named. */
  function fetched(tiles: readonly Tile[]): ReadTile {
    const files = new Map(tiles.map((tile) => [tilePath(tile), log.readTile(tile)]));
    return (tile) => {
      const bytes = files.get(tilePath(tile));
      if (bytes === undefined) throw new Error(`${tilePath(tile)} was not named`);
      return bytes;
    };
  }

  test('inclusion', () => {
    fc.assert(
      fc.property(fc.nat(size - 1), (n) => {
        const index = BigInt(n);
        const tiles = inclusionTiles(index, head.size);
        expect(tiles.length).toBeLessThanOrEqual(5);
        const proof = inclusionProof(index, head.size, subtreeHashFromTiles(head.size, fetched(tiles)));
        verifyInclusion({ index, ...head, leafHash: leafHash(log.entries[n]!), proof });
      }),
      { numRuns: 60 },
    );
  });

  test('consistency', () => {
    const before = CompactRange.empty();
    const roots = log.entries.slice(0, 3000).map((entry) => {
      before.append(leafHash(entry));
      return before.root();
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), (n) => {
        const size1 = BigInt(n);
        const tiles = consistencyTiles(size1, head.size);
        const proof = consistencyProof(size1, head.size, subtreeHashFromTiles(head.size, fetched(tiles)));
        verifyConsistency({ size1, size2: head.size, root1: roots[n - 1]!, root2: head.root, proof });
      }),
      { numRuns: 60 },
    );
  });

  test('the root, and the head to go on from', () => {
    const tiles = rootTiles(head.size);
    expect(tiles.map(tilePath)).toEqual(['tile/2/000.p/1', 'tile/1/001.p/17', 'tile/0/273.p/112']);
    const range = CompactRange.read(head.size, subtreeHashFromTiles(head.size, fetched(tiles)));
    expect(range.hasRoot(head.root)).toBe(true);
  });

  test('a flipped bit anywhere in a tile of the proof makes it fail', () => {
    const index = 69_999n;
    for (const tile of inclusionTiles(index, head.size)) {
      for (let n = 0; n < tile.width; n++) {
        const changed = (asked: Tile) => {
          const bytes = Uint8Array.from(log.readTile(asked));
          if (tilePath(asked) === tilePath(tile)) bytes[n * 32 + (n % 32)]! ^= 1 << (n % 8);
          return bytes;
        };
        const own = tile.level === 0 && n === 111; // the entry's hash, not part of its proof
        const proof = inclusionProof(index, head.size, subtreeHashFromTiles(head.size, changed));
        const verification = () =>
          verifyInclusion({ index, ...head, leafHash: leafHash(log.entries[69_999]!), proof });
        if (own) expect(verification).not.toThrow();
        else expect(verification).toThrow(expect.objectContaining({ code: 'TLOG_NOT_INCLUDED' }));
      }
    }
  });

  test('every other length of a tile is refused', () => {
    for (let length = 0; length <= 300; length++) {
      const bytes = new Uint8Array(length);
      if (length === 96) expect(hashesOfTile(bytes, 3)).toHaveLength(3);
      else expect(() => hashesOfTile(bytes, 3)).toThrow(malformed);
    }
    const short: ReadTile = (tile) => log.readTile(tile).subarray(1);
    expect(() => inclusionProof(3n, head.size, subtreeHashFromTiles(head.size, short))).toThrow(malformed);
  });
});
