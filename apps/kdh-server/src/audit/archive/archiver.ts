import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database } from '../../database/database.ts';
import { PeriodicTask } from '../../periodic-task.ts';
import { ARCHIVE, type Archive } from './archive.ts';
import { archiveBundles } from './archive-bundles.ts';

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
  private readonly task = new PeriodicTask(
    { everyMilliseconds: INTERVAL_MILLISECONDS, logger: this.logger, failureEvent: 'archive.delayed' },
    () => this.run(),
  );

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(ARCHIVE) private readonly archive: Archive | undefined,
    private readonly database: Database,
  ) {}

  onApplicationBootstrap(): void {
    if (this.archive) this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  private async run(): Promise<void> {
    const archive = this.archive as Archive;
    const location = this.config.KDH_LOG_ARCHIVE as string;
    await this.database.query('insert into log_archive (location) values ($1) on conflict do nothing', [
      location,
    ]);
    while (!this.task.stopping && (await this.pass(archive, location)));
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
