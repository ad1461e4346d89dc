import type { ReadTile, Tile } from '@openkdh/transparency-log';
import type { Sql } from '../../database/database.ts';

/** Tiles by their prefix: a tile that was partial is stored longer by now. */
export async function tileReader(sql: Pick<Sql, 'query'>, tiles: Tile[]): Promise<ReadTile> {
  const rows = await sql.query<{ level: number; index: bigint; bytes: Buffer }>(
    `select t.level, t.tile_index as index, t.bytes from log_tile t
     join unnest($1::smallint[], $2::bigint[]) as wanted(level, tile_index) using (level, tile_index)`,
    [tiles.map((tile) => tile.level), tiles.map((tile) => tile.index)],
    'read-tiles',
  );
  const stored = new Map(rows.map(({ level, index, bytes }) => [`${level} ${index}`, bytes]));
  return ({ level, index, width }) =>
    (stored.get(`${level} ${index}`) ?? Buffer.alloc(0)).subarray(0, width * 32);
}
