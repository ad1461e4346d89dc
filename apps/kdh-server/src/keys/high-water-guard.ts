import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import type { Config } from '../config/config.ts';
import type { Database } from '../database/database.ts';
import { PeriodicTask } from '../periodic-task.ts';
import {
  contradictions,
  type HighWaterMark,
  ksnContradictions,
  markOf,
  readDatabaseState,
  readMark,
  writeMark,
} from './high-water-mark.ts';

const INTERVAL_MILLISECONDS = 1_000;

/** The database has gone back. Nothing may be derived until a person has decided (docs/operating.md). */
export class RestoredDatabaseError extends Error {
  readonly code = 'DATABASE_RESTORED';
  constructor(found: string[]) {
    super(
      `the database is older than what this node has seen, or another one: ${found.join('; ')}. ` +
        'Going on could give KSNs out twice. Bring the newest database back, or accept the loss with kdh-server accept-restore (docs/operating.md)',
    );
    this.name = 'RestoredDatabaseError';
  }
}

export function markFileOf({ KDH_STATE_DIR }: Config): string {
  return join(KDH_STATE_DIR, 'high-water-mark.json');
}

/**
 * Refuses to start on a database that has gone back behind the mark in this node's state folder; afterwards carries the
 * mark on each second, and ends the process if a BDK goes back while it runs.
 */
@Injectable()
export class HighWaterGuard implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('HighWaterGuard');
  private readonly task = new PeriodicTask(
    {
      everyMilliseconds: INTERVAL_MILLISECONDS,
      logger: this.logger,
      failureEvent: 'high-water-mark.delayed',
    },
    () => this.carryOn(),
  );

  private constructor(
    private readonly file: string,
    private readonly database: Database,
    private readonly hsm: Hsm,
    private mark: HighWaterMark | undefined,
  ) {}

  /** Runs while the application is put together, before any part of it acts. @throws RestoredDatabaseError */
  static async open(config: Config, database: Database, hsm: Hsm): Promise<HighWaterGuard> {
    const file = markFileOf(config);
    const mark = readMark(file);
    const found = contradictions(mark, await readDatabaseState(database, mark));
    if (found.length > 0) throw new RestoredDatabaseError(found);
    return new HighWaterGuard(file, database, hsm, mark);
  }

  onApplicationBootstrap(): void {
    this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
    await this.carryOn().catch((error: Error) =>
      this.logger.warn({ event: 'high-water-mark.delayed', msg: error.message }),
    );
  }

  private async carryOn(): Promise<void> {
    // The count first: whatever is derived beyond the device numbers that are read next is counted after it.
    const operations = await this.hsm.operationCount().catch(() => this.mark?.operations);
    const state = await readDatabaseState(this.database, this.mark);
    const found = contradictions(this.mark, state);
    if (found.length === 0) this.keep(markOf(state, operations));
    else this.alarm(found, ksnContradictions(this.mark, state).length > 0);
  }

  private keep(mark: HighWaterMark | undefined): void {
    if (!mark || isDeepStrictEqual({ ...mark, operations: 0 }, { ...this.mark, operations: 0 })) return;
    writeMark(this.file, mark);
    this.mark = mark;
  }

  /** The mark stays, so that the next start is refused. A log that lost its end can wait for that, KSNs cannot. */
  private alarm(found: string[], endNow: boolean): void {
    const { code, message } = new RestoredDatabaseError(found);
    this.logger.fatal({ event: 'database.restored', code, msg: message });
    if (endNow) process.exit(1); // not gracefully, which would go on deriving for seconds
  }
}
