import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { formatEntryBundle, tilePath, tilesOfGrowth, tileWidth } from '@openkdh/transparency-log';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database, type Sql } from '../../database/database.ts';
import { tileReader } from '../log/tile-reader.ts';
import { ARCHIVE, type Archive, entriesPath, isBundleOf } from './archive.ts';
import { ArchiveError } from './archive-error.ts';

/** A full tile is in the archive about this long after a checkpoint covers it. */
const INTERVAL_MILLISECONDS = 5_000;

/** Archived between two notes of how far it is: 8,192 entries. */
const BUNDLES_PER_PASS = 32n;

/**
 * Copies what is full and covered by a checkpoint into the archive, in the order of the log: tiles of all levels, and the
 * bundles of entries. What is there already and right is left alone, so that a crash, or an archive that was copied to
 * another place, does no harm. Whoever holds the archive's row of log_archive is the archiver of the moment.
 */
@Injectable()
export class Archiver implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Archiver');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private stopping = false;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(ARCHIVE) private readonly archive: Archive | undefined,
    private readonly database: Database,
  ) {}

  onApplicationBootstrap(): void {
    const { archive } = this;
    if (!archive) return;
    this.timer = setInterval(() => {
      this.running ??= this.run(archive).finally(() => {
        this.running = undefined;
      });
    }, INTERVAL_MILLISECONDS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.running;
  }

  private async run(archive: Archive): Promise<void> {
    const location = this.config.KDH_LOG_ARCHIVE as string;
    try {
      await this.database.query('insert into log_archive (location) values ($1) on conflict do nothing', [
        location,
      ]);
      while (!this.stopping && (await this.pass(archive, location)));
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      this.logger.warn({ event: 'archive.delayed', code, msg: message });
    }
  }

  /** Whether anything was archived. */
  private pass(archive: Archive, location: string): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const [done] = await sql.query<{ size: bigint }>(
        'select size from log_archive where location = $1 for update skip locked',
        [location],
      );
      if (!done) return false; // another node is at it
      const [checkpoint] = await sql.query<{ size: bigint }>(
        'select size from log_checkpoint order by size desc limit 1',
      );
      const from = done.size / 256n;
      const full = (checkpoint?.size ?? 0n) / 256n;
      const until = full < from + BUNDLES_PER_PASS ? full : from + BUNDLES_PER_PASS;
      if (until <= from) return false;
      await archiveBundles(sql, archive, from, until);
      const size = until * 256n;
      await sql.query('update log_archive set size = $2 where location = $1', [location, size]);
      sql.afterCommit(() => this.logger.log({ event: 'archive.grown', size }));
      return true;
    });
  }
}

/** The bundles from `from` to before `until`, and all tiles that they fill. @throws ArchiveError */
async function archiveBundles(sql: Sql, archive: Archive, from: bigint, until: bigint): Promise<void> {
  const tiles = [...tilesOfGrowth(from * 256n, until * 256n)].filter(({ width }) => width === tileWidth);
  const readTile = await tileReader(sql, tiles);
  for (const tile of tiles) {
    const hashes = readTile(tile);
    if (tile.level === 0) {
      const bundle = await storedBundle(sql, tile.index);
      await keep(archive, entriesPath(tile.index), bundle, (bytes) => isBundleOf(hashes, bytes));
    }
    await keep(archive, tilePath(tile), hashes, (bytes) => Buffer.from(bytes).equals(hashes));
  }
}

/** The full bundle as the database has it; `undefined` if it has given up entries of it, or never had them all. */
export async function storedBundle(sql: Pick<Sql, 'query'>, index: bigint): Promise<Uint8Array | undefined> {
  const rows = await sql.query<{ entry: Buffer }>(
    `select entry from log_leaf where leaf_index >= $1 and leaf_index < $1 + 256 and entry is not null
     order by leaf_index`,
    [index * 256n],
  );
  return rows.length === tileWidth ? formatEntryBundle(rows.map(({ entry }) => entry)) : undefined;
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
  if (!ours)
    throw new ArchiveError(
      'ARCHIVE_DIFFERS',
      `${path}: expected in the archive, for the database has it no more`,
    );
  if (!isRight(ours))
    throw new ArchiveError('LOG_DIFFERS', `${path}: the entries in the database are not those of its tiles`);
  await archive.put(path, ours);
  const written = await archive.get(path);
  if (!written || !isRight(written)) {
    throw new ArchiveError('ARCHIVE_DIFFERS', `${path}: the archive gives something else than was written`);
  }
}
