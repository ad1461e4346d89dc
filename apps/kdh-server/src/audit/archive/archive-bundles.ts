import { hashBytes, tilePath, tilesOfGrowth, tileWidth } from '@openkdh/transparency-log';
import type { Sql } from '../../database/database.ts';
import { runsOfBundle } from '../log/entry-runs.ts';
import { tileReader } from '../log/tile-reader.ts';
import { type Archive, entriesPath, isBundleOf } from './archive.ts';
import { ArchiveError } from './archive-error.ts';

/** The bundles from `from` to before `until`, and all tiles that they fill. @throws ArchiveError */
export async function archiveBundles(
  sql: Pick<Sql, 'query'>,
  archive: Archive,
  from: bigint,
  until: bigint,
): Promise<void> {
  const tiles = [...tilesOfGrowth(from * 256n, until * 256n)].filter(({ width }) => width === tileWidth);
  const readTile = await tileReader(sql, tiles);
  for (const tile of tiles) {
    const hashes = readTile(tile);
    if (hashes.length !== tileWidth * hashBytes) {
      throw new ArchiveError(
        'LOG_DIFFERS',
        `${tilePath(tile)}: the database does not have this tile, or cut`,
      );
    }
    if (tile.level === 0) {
      const bundle = await storedBundle(sql, tile.index);
      await keep(archive, entriesPath(tile.index), bundle, (bytes) => isBundleOf(hashes, bytes));
    }
    await keep(archive, tilePath(tile), hashes, (bytes) => Buffer.from(bytes).equals(hashes));
  }
}

/** The full bundle as the database has it; `undefined` if it has given up entries of it, or never had them all. */
export async function storedBundle(sql: Pick<Sql, 'query'>, index: bigint): Promise<Uint8Array | undefined> {
  const runs = await runsOfBundle(sql, index);
  const held = runs.flatMap(({ entries }) => entries ?? []);
  const count = runs.reduce((sum, { eventIds }) => sum + eventIds.length, 0);
  return held.length === runs.length && count === tileWidth ? Buffer.concat(held) : undefined;
}

/** Sees to it that the archive has what `isRight`, by reading it back. `ours`: what to write if it has not. */
async function keep(
  archive: Archive,
  path: string,
  ours: Uint8Array | undefined,
  isRight: (bytes: Uint8Array) => boolean,
): Promise<void> {
  const kept = await archive.get(path);
  if (kept && isRight(kept)) return;
  if (!ours) {
    throw new ArchiveError(
      'ARCHIVE_DIFFERS',
      `${path}: expected in the archive, the database has it no more`,
    );
  }
  if (!isRight(ours)) {
    throw new ArchiveError('LOG_DIFFERS', `${path}: the entries in the database are not those of its tiles`);
  }
  await archive.put(path, ours);
  const written = await archive.get(path);
  if (!written || !isRight(written)) {
    throw new ArchiveError('ARCHIVE_DIFFERS', `${path}: the archive gives something else than was written`);
  }
}
