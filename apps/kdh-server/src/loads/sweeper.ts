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
import { closeOrphanedSessions } from '../sessions/orphaned-sessions.ts';
import { type AttemptState, type OverdueAction, overdueAction, transition } from './attempt.ts';
import { applyMoves, attemptOf, type Move } from './attempt-store.ts';
import { enqueue } from './load-requests.ts';
import { OutboxRelay } from './outbox-relay.ts';

const INTERVAL_MILLISECONDS = 1_000;
const ROWS_PER_PASS = 500;

interface WatchedRow {
  id: string;
  state: AttemptState;
  version: number;
  terminalId: string;
  expired: boolean;
  overdue: boolean;
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
         deadline <= now() as overdue from attempt
       where watch_at <= now() and outcome is null order by watch_at limit $1 for no key update skip locked`,
      [ROWS_PER_PASS],
    );
    if (watched.length === 0) return 0;
    sql.commitsAs('sweep.commit');
    const rows = watched.filter((row) => row.overdue);
    const moves: Move[] = [];
    const requeue: string[] = [];
    for (const row of rows) {
      const action = actionFor(row);
      if (action === 'none') continue;
      if (action === 'requeue') requeue.push(row.id);
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
      `update attempt set deadline = least(expires_at, now() + interval '30 seconds') where id = any($1::uuid[])`,
      [requeue],
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
}

/** An attempt that has expired before anything was sent ends; otherwise the rule of its state holds. */
function actionFor(row: WatchedRow): OverdueAction {
  const action = overdueAction(row.state);
  const nothingSent = action === 'requeue' || action === 'release';
  return row.expired && nothingSent ? 'expire' : action;
}
