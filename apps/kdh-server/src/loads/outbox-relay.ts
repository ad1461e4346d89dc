import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { failpoint } from '../failpoints.ts';
import { DERIVE_QUEUE, type DeriveQueue } from '../queue/queue.ts';

/** Rows moved from the outbox to the queue in one transaction. */
const ROWS_PER_PASS = 5_000;

/** A wake-up that was lost costs at most this. */
const POLL_MILLISECONDS = 1_000;

/**
 * Carries outbox rows to the queue, many attempts to a job. A crash between adding and deleting queues them twice,
 * which is harmless: the second worker finds nothing left to do.
 */
@Injectable()
export class OutboxRelay implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('OutboxRelay');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private wanted = false;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue,
    private readonly database: Database,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), POLL_MILLISECONDS);
    this.wake();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.running;
  }

  /** To be called after a commit that wrote outbox rows. */
  wake(): void {
    this.wanted = true;
    if (this.timer !== undefined) this.running ??= this.run();
  }

  private async run(): Promise<void> {
    try {
      while (this.wanted && this.timer !== undefined) {
        this.wanted = false;
        if ((await this.relay()) === ROWS_PER_PASS) this.wanted = true;
      }
    } catch (error) {
      this.logger.warn({ event: 'outbox.delayed', msg: (error as Error).message });
    } finally {
      this.running = undefined;
    }
  }

  private relay(): Promise<number> {
    return this.database.transaction(async (sql) => {
      const rows = await sql.query<{ attempt_id: string }>(
        `delete from outbox where id in (select id from outbox order by id limit $1 for update skip locked)
         returning attempt_id`,
        [ROWS_PER_PASS],
      );
      if (rows.length > 0) sql.commitsAs('outbox.relay');
      const attempts = [...new Set(rows.map((row) => row.attempt_id))];
      const size = this.config.KDH_CHUNK_SIZE;
      const jobs = Array.from({ length: Math.ceil(attempts.length / size) }, (_, index) => ({
        attempts: attempts.slice(index * size, (index + 1) * size),
      }));
      if (jobs.length > 0) await failpoint('queue.add', () => this.queue.add(jobs));
      return rows.length;
    });
  }
}
