import { TransparencyLogError } from './errors.ts';
import { requireSize } from './fields.ts';
import { hashBytes, requireHash } from './merkle-hash.ts';
import { foldComplete, type SubtreeHash } from './subtrees.ts';
import { type Tile, tileOfSubtree, tileWidth } from './tiles.ts';

/** Gives the bytes of a tile that was fetched before, by `inclusionTiles` for example: 32 · width bytes. */
export type ReadTile = (tile: Tile) => Uint8Array;

/**
 * Looks up hashes of complete subtrees in the tiles of a log of `size` entries. The tiles are not trusted: what is
 * made of them is verified against a root. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE; what `readTile` throws
 */
export function subtreeHashFromTiles(size: bigint, readTile: ReadTile): SubtreeHash {
  requireSize(size, 'size');
  return (subtree) => {
    const { tile, first, count } = tileOfSubtree(subtree, size);
    const bytes = readTile(tile);
    requireTileBytes(bytes, tile.width);
    return foldComplete(splitHashes(bytes.subarray(first * hashBytes, (first + count) * hashBytes)));
  };
}

/** The hashes of a tile, 32 bytes each. `width`: 1 to 256. @throws TLOG_MALFORMED */
export function hashesOfTile(bytes: Uint8Array, width: number): Uint8Array[] {
  requireTileBytes(bytes, width);
  return splitHashes(bytes);
}

/**
 * The tiles that `tilesOfGrowth` names, with their bytes, when entries with these leaf hashes are appended to a log of
 * `size` entries. `readTile` is asked for the partial tiles of the log as it was, at most one for each level.
 * @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE; what `readTile` throws
 */
export function* growTiles(
  size: bigint,
  readTile: ReadTile,
  leafHashes: readonly Uint8Array[],
): Generator<{ tile: Tile; bytes: Uint8Array }> {
  requireSize(size, 'size');
  requireSize(size + BigInt(leafHashes.length), 'new size');
  for (const hash of leafHashes) requireHash(hash, 'leaf hash');
  let before = size;
  let added = leafHashes;
  for (let level = 0; added.length > 0; level++) {
    const width = Number(before % 256n);
    let index = before / 256n;
    const partial = width === 0 ? [] : hashesOfTile(readTile({ level, index, width }), width);
    const hashes = [...partial, ...added];
    const complete: Uint8Array[] = [];
    for (let first = 0; first < hashes.length; first += tileWidth) {
      const held = hashes.slice(first, first + tileWidth);
      yield { tile: { level, index, width: held.length }, bytes: Buffer.concat(held) };
      if (held.length === tileWidth) complete.push(foldComplete(held));
      index++;
    }
    before /= 256n;
    added = complete;
  }
}

function splitHashes(bytes: Uint8Array): Uint8Array[] {
  const at = (n: number) => bytes.subarray(n * hashBytes, (n + 1) * hashBytes);
  return Array.from({ length: bytes.length / hashBytes }, (_, n) => at(n));
}

function requireTileBytes(bytes: Uint8Array, width: number): void {
  if (bytes.length !== width * hashBytes) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `tile of width ${width}: expected ${width * hashBytes} bytes, got ${bytes.length}`,
    );
  }
}
