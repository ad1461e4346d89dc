import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { signal } from '../database/signals.ts';
import { openIncidents } from '../incidents/incident.ts';
import { PeriodicTask } from '../periodic-task.ts';
import { DERIVE_QUEUE, type DeriveQueue } from '../queue/queue.ts';
import { closeOrphanedSessions } from '../sessions/orphaned-sessions.ts';
import { type AttemptState, type OverdueAction, overdueAction, placeOf, transition } from './attempt.ts';
import { applyMoves, attemptOf, type Move } from './attempt-store.ts';
import { enqueue } from './load-requests.ts';
import { OutboxRelay } from './outbox-relay.ts';

const INTERVAL_MILLISECONDS = 1_000;
const ROWS_PER_PASS = 500;

/** When an attempt is looked at again that was queued anew. */
const REQUEUED_SECONDS = 30;

/** When one is looked at again that stands in line for a worker: a campaign of 100,000 stands for minutes. */
const IN_LINE_SECONDS = 60;

/** After this time it is queued anew whatever stands in line: its chunk may be lost where others are not. */
const LONGEST_LINE_SECONDS = 600;

interface WatchedRow {
  id: string;
  state: AttemptState;
  version: number;
  terminalId: string;
  expired: boolean;
  overdue: boolean;
  /** Since it was approved, and so queued. */
  waitedSeconds: number;
}

/**
 * Acts for whoever let a deadline pass (invariant I5): queues anew what a worker lost, ends what has expired, has
 * terminals asked for results that did not come, and closes the sessions of nodes that are gone. Several nodes may sweep; each row is swept by one.
 */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Sweeper');
  private readonly actor: string;
  private readonly task = new PeriodicTask(
    { everyMilliseconds: INTERVAL_MILLISECONDS, logger: this.logger, failureEvent: 'sweep.delayed' },
    () => this.sweep(),
  );

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly database: Database,
    private readonly relay: OutboxRelay,
    @Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue,
  ) {
    this.actor = `node:${config.KDH_NODE_ID}`;
  }

  onApplicationBootstrap(): void {
    this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  private async sweep(): Promise<void> {
    let seen: number;
    do {
      seen = await this.database.transaction((sql) => this.act(sql));
      if (seen > 0) this.relay.wake();
    } while (seen === ROWS_PER_PASS && !this.task.stopping);
    await closeOrphanedSessions(this.database, this.actor);
  }

  /**
   * Looks at the attempts whose time to be watched has come, acts for those whose deadline has passed, and comes back to
   * each at its deadline. Returns how many it looked at.
   */
  private async act(sql: Sql): Promise<number> {
    const watched = await sql.query<WatchedRow>(
      `select id, state, version, terminal_id as "terminalId", expires_at <= now() as expired,
         deadline <= now() as overdue, extract(epoch from now() - times[$2])::float8 as "waitedSeconds" from attempt
       where watch_at <= now() and outcome is null order by watch_at limit $1 for no key update skip locked`,
      [ROWS_PER_PASS, placeOf('APPROVED')],
    );
    if (watched.length === 0) return 0;
    sql.commitsAs('sweep.commit');
    const rows = watched.filter((row) => row.overdue);
    const moves: Move[] = [];
    const requeue: string[] = [];
    const inLine: string[] = [];
    const line = rows.some(mayStandInLine) && (await this.hasLine());
    for (const row of rows) {
      const action = actionFor(row);
      if (action === 'none') continue;
      if (action === 'requeue') (line && mayStandInLine(row) ? inLine : requeue).push(row.id);
      else {
        moves.push({
          steps: [transition(attemptOf(row), action)],
          actor: this.actor,
          ...(action === 'expire' && { reasonCode: 'EXPIRED' }),
          ...(action === 'giveUp' && { reasonCode: 'OUTCOME_UNKNOWN' }),
        });
      }
    }
    await sql.query(
      `update attempt a set deadline = least(a.expires_at, now() + later.seconds * interval '1 second')
       from unnest($1::uuid[], $2::int[]) as later(id, seconds) where a.id = later.id`,
      [
        [...requeue, ...inLine],
        [...requeue.map(() => REQUEUED_SECONDS), ...inLine.map(() => IN_LINE_SECONDS)],
      ],
    );
    await enqueue(sql, requeue);
    await applyMoves(sql, moves);
    await signal(
      sql,
      'unanswered',
      rows
        .filter((row) => actionFor(row) === 'lose')
        .map(({ id, terminalId }) => ({ attemptId: id, terminalId })),
    );
    await openIncidents(
      sql,
      rows
        .filter((row) => actionFor(row) === 'giveUp')
        .map(({ id, terminalId }) => ({
          kind: 'OUTCOME_UNKNOWN',
          terminalId,
          attemptId: id,
          actor: this.actor,
        })),
    );
    await sql.query(
      `update attempt set watch_at = greatest(deadline, now() + interval '1 second') where id = any($1::uuid[])`,
      [watched.map((row) => row.id)],
    );
    return watched.length;
  }

  /** Whether chunks wait for a worker. Of a queue that does not answer nobody knows: what is in it counts as lost. */
  private async hasLine(): Promise<boolean> {
    try {
      return (await this.queue.depth()).waiting > 0;
    } catch {
      return false;
    }
  }
}

/** No worker has had it yet, and it may well be in a chunk that waits for one. */
function mayStandInLine({ state, waitedSeconds }: WatchedRow): boolean {
  return state === 'APPROVED' && waitedSeconds < LONGEST_LINE_SECONDS;
}

/** An attempt that has expired before anything was sent ends; otherwise the rule of its state holds. */
function actionFor(row: WatchedRow): OverdueAction {
  const action = overdueAction(row.state);
  const nothingSent = action === 'requeue' || action === 'release';
  return row.expired && nothingSent ? 'expire' : action;
}
