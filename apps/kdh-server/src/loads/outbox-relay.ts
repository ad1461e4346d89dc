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
import { PeriodicTask } from '../periodic-task.ts';
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
  private readonly task = new PeriodicTask(
    { everyMilliseconds: POLL_MILLISECONDS, logger: this.logger, failureEvent: 'outbox.delayed' },
    () => this.run(),
  );

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue,
    private readonly database: Database,
  ) {}

  onApplicationBootstrap(): void {
    this.task.start();
    this.task.wake();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** To be called after a commit that wrote outbox rows. */
  wake(): void {
    this.task.wake();
  }

  private async run(): Promise<void> {
    while ((await this.relay()) === ROWS_PER_PASS && !this.task.stopping);
  }

  private relay(): Promise<number> {
    return this.database.transaction(async (sql) => {
      const rows = await sql.query<{ attempt_id: string }>(
        // As an array, not as a subquery, which PostgreSQL would join with all that waits.
        `delete from outbox where id = any(array(select id from outbox order by id limit $1 for update skip locked))
         returning attempt_id`,
        [ROWS_PER_PASS],
        'take-outbox',
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
