import { consistencyRanges } from './consistency.ts';
import { TransparencyLogError } from './errors.ts';
import { maxSize, requireSize } from './fields.ts';
import { inclusionRanges } from './inclusion.ts';
import { completeSubtrees, type EntryRange, type Subtree } from './subtrees.ts';

/** Hashes in a full tile, entries in a full bundle. C2SP tlog-tiles, "Merkle Tree". */
export const tileWidth = 256;
/** A tile spans eight levels of the tree: 2^8 = 256. */
export const tileHeight = 8;
const maxTileLevel = 63;

/** A tile of hashes, or a bundle of entries. C2SP tlog-tiles. */
export interface Tile {
  /** 0 to 63: hash i of level l covers 256^l entries. `entries` is the bundle of the entries themselves. */
  readonly level: number | 'entries';
  /** Its number in the level; the tile starts at hash index · 256. */
  readonly index: bigint;
  /** How many hashes or entries it holds: 256, or 1 to 255 in a partial tile. */
  readonly width: number;
}

/** The path of a tile under the log's prefix, `tile/0/x001/x234/067.p/8`. @throws TLOG_HOSTILE_SIZE */
export function tilePath({ level, index, width }: Tile): string {
  requireTile({ level, index, width });
  const digits = index.toString();
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g)!;
  const number = groups.map((group, n) => (n < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${number}${width < tileWidth ? `.p/${width}` : ''}`;
}

/** The tile that a path names; only the one spelling of `tilePath`. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function parseTilePath(path: string): Tile {
  const parts = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,6}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (parts === null) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `tile path: got ${path.length} characters of another form`,
    );
  }
  const [, level, number, width] = parts as unknown as [string, string, string, string | undefined];
  const tile = {
    level: level === 'entries' ? level : Number(level),
    index: BigInt(number.replaceAll(/[x/]/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  } as const;
  if (tilePath(tile) !== path) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `tile path: expected ${tilePath(tile)}, got another spelling`,
    );
  }
  return tile;
}

/**
 * The tiles to write when a log grows from one size to another, level by level; in each the last may be partial.
 * The bundles of the entries have the indices and widths of level 0. A generator, since the sizes may be hostile.
 * @throws TLOG_TAIL_CUT, TLOG_HOSTILE_SIZE
 */
export function* tilesOfGrowth(oldSize: bigint, newSize: bigint): Generator<Tile> {
  requireSize(oldSize, 'old size');
  requireSize(newSize, 'new size');
  if (oldSize > newSize) {
    throw new TransparencyLogError('TLOG_TAIL_CUT', `the log had ${oldSize} entries and now has ${newSize}`);
  }
  let [before, after] = [oldSize, newSize];
  for (let level = 0; before < after; level++) {
    for (let index = before / 256n; index * 256n < after; index++) yield tileAt(level, index, newSize);
    before /= 256n;
    after /= 256n;
  }
}

/** The tiles to read for the root of a log, or for its `CompactRange`. @throws TLOG_HOSTILE_SIZE */
export function rootTiles(size: bigint): Tile[] {
  requireSize(size, 'size');
  return tilesOfRanges([{ start: 0n, end: size }], size);
}

/** The tiles to read for an inclusion proof, at most 16. @throws TLOG_HOSTILE_SIZE */
export function inclusionTiles(index: bigint, size: bigint): Tile[] {
  return tilesOfRanges(inclusionRanges(index, size), size);
}

/** The tiles to read for a consistency proof. @throws TLOG_HOSTILE_SIZE, TLOG_TAIL_CUT */
export function consistencyTiles(size1: bigint, size2: bigint): Tile[] {
  return tilesOfRanges(consistencyRanges(size1, size2), size2);
}

/** Where a complete subtree is found in the tiles of a log: `count` hashes from `first` on, to be hashed together. */
export function tileOfSubtree(subtree: Subtree, size: bigint): { tile: Tile; first: number; count: number } {
  const level = Math.floor(subtree.level / tileHeight);
  const height = subtree.level % tileHeight;
  const start = subtree.index << BigInt(height);
  return { tile: tileAt(level, start / 256n, size), first: Number(start % 256n), count: 1 << height };
}

/** The tile of that number as a log of `size` entries has it: full, or as wide as the log reaches. */
function tileAt(level: number, index: bigint, size: bigint): Tile {
  const hashes = size >> BigInt(level * tileHeight);
  const width = hashes - index * 256n;
  return { level, index, width: width < 256n ? Number(width) : tileWidth };
}

function tilesOfRanges(ranges: readonly EntryRange[], size: bigint): Tile[] {
  const subtrees = ranges.flatMap(completeSubtrees);
  const tiles = subtrees.map((subtree) => tileOfSubtree(subtree, size).tile);
  return [...new Map(tiles.map((tile) => [tilePath(tile), tile])).values()];
}

function requireTile({ level, index, width }: Tile): void {
  const levelGood = level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= maxTileLevel);
  const indexGood = index >= 0n && index <= maxSize;
  const widthGood = Number.isInteger(width) && width >= 1 && width <= tileWidth;
  if (!levelGood || !indexGood || !widthGood) {
    throw new TransparencyLogError(
      'TLOG_HOSTILE_SIZE',
      `tile: expected a level to ${maxTileLevel}, an index to 2^63 - 1 and a width from 1 to ${tileWidth}`,
    );
  }
}
