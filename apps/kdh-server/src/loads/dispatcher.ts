import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import type { KdhMessage, PlanEntry } from '@openkdh/terminal-protocol';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { GroupCommit } from '../database/group-commit.ts';
import { groupRows } from '../database/rows.ts';
import { SignalListener } from '../database/signals.ts';
import { failpoint } from '../failpoints.ts';
import { PeriodicTask } from '../periodic-task.ts';
import { type LiveSession, SessionRegistry } from '../sessions/session-registry.ts';
import { transition } from './attempt.ts';
import { applyMoves, attemptOf, type Move } from './attempt-store.ts';
import { type DispatchCheck, mayDispatch } from './dispatch-rules.ts';
import { type Dispatch, InFlight } from './in-flight.ts';
import { ending } from './load-requests.ts';

interface DispatchRow extends Omit<DispatchCheck, 'sessionEpoch' | 'frozenBdk'> {
  id: string;
  version: number;
  kind: 'KBPK' | 'KEYS';
  token: Buffer | null;
  planHash: string;
  nonceK2: Buffer;
  expiresAt: Date;
}

interface KeyRow {
  attemptId: string;
  slot: string;
  algorithm: PlanEntry['algorithm'];
  ksn: string | null;
  kcv: string;
  keyBlock: string | null;
  frozenBdk: boolean;
}

/** Signals are the fast way; this is how long a lost one can hold up an attempt. */
const CATCH_UP_MILLISECONDS = 5_000;
const CATCH_UP_ATTEMPTS = 500;

/**
 * Step 3 of a load: the preconditions are checked again in the transaction that writes SENT; only after its commit do
 * bytes leave, to the session whose epoch is current. An attempt without a session waits for the terminal's next HELLO, one
 * above what may be in flight for an answer to another.
 */
@Injectable()
export class Dispatcher implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Dispatcher');
  private readonly actor: string;
  private readonly catchingUp = new PeriodicTask(
    {
      everyMilliseconds: CATCH_UP_MILLISECONDS,
      logger: this.logger,
      failureEvent: 'dispatch.catch-up-delayed',
    },
    () => this.catchUp(),
  );
  private readonly inFlight = new InFlight();
  private readonly looks = new GroupCommit<string, string[]>((terminalIds) =>
    readDispatchable(this.database, terminalIds),
  );
  private readonly commits = new GroupCommit<Dispatch, KdhMessage | undefined>((items) => this.commit(items));

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly sessions: SessionRegistry,
    private readonly signals: SignalListener,
  ) {
    this.actor = `node:${config.KDH_NODE_ID}`;
  }

  onModuleInit(): void {
    this.signals.on('dispatchable', (attempts) => this.wake(attempts));
    this.signals.onResumed(() => this.catchingUp.wake());
  }

  onApplicationBootstrap(): void {
    this.catchingUp.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.catchingUp.stop();
  }

  /** Attempts became DISPATCHABLE: sends those whose terminal is connected here, as far as there are places. */
  wake(attempts: { attemptId: string; terminalId: string }[]): void {
    for (const { attemptId, terminalId } of attempts) {
      const session = this.sessions.get(terminalId);
      if (session?.ready) this.inFlight.enqueue(attemptId, session);
    }
    this.sendNext();
  }

  /** Sends what waits for this terminal; called once its session is registered and ready. */
  async drain({ terminalId }: LiveSession): Promise<void> {
    const waiting = await this.looks.add(terminalId);
    this.wake(waiting.map((attemptId) => ({ attemptId, terminalId })));
  }

  /** The terminal has said what became of a load, or that it knows nothing of it: another may be sent. */
  answered(attemptId: string, session: LiveSession): void {
    this.inFlight.release({ attemptId, session });
    this.sendNext();
  }

  /** The session is over: its loads are no longer waited for here. */
  sessionEnded(session: LiveSession): void {
    this.inFlight.releaseAll(session);
    this.sendNext();
  }

  private sendNext(): void {
    const readySession = (terminalId: string) => {
      const session = this.sessions.get(terminalId);
      return session?.ready ? session : undefined;
    };
    for (const dispatch of this.inFlight.admit(performance.now(), readySession)) void this.dispatch(dispatch);
  }

  /** What a lost signal left waiting for terminals that are connected here. */
  private async catchUp(): Promise<void> {
    if (this.sessions.size === 0) return;
    this.wake(
      await this.database.query<{ attemptId: string; terminalId: string }>(
        `select a.id as "attemptId", a.terminal_id as "terminalId"
         from terminal_session s join attempt a
           on a.terminal_id = s.terminal_id and a.outcome is null and a.state = 'DISPATCHABLE'
         where s.node_id = $1 and s.closed_at is null limit $2`,
        [this.config.KDH_NODE_ID, CATCH_UP_ATTEMPTS],
      ),
    );
  }

  private async dispatch(dispatch: Dispatch): Promise<void> {
    const { attemptId, session } = dispatch;
    let message: KdhMessage | undefined;
    try {
      message = await this.commits.add(dispatch);
      if (message) await failpoint('socket.write', async () => session.send(message as KdhMessage));
    } catch (error) {
      this.logger.warn({ event: 'dispatch.delayed', attempt: attemptId, msg: (error as Error).message });
    }
    if (!message) this.answered(attemptId, session);
  }

  private commit(items: Dispatch[]): Promise<(KdhMessage | undefined)[]> {
    return this.database.transaction(async (sql) => {
      const ids = items.map((item) => item.attemptId);
      const terminalIds = items.map(({ session }) => session.terminalId);
      const checked = await failpoint('precheck', () => holdForDispatch(sql, ids, terminalIds));
      const rows = new Map(checked.map((row) => [row.id, row]));
      const keys = groupRows(await holdKeys(sql, ids), (key) => key.attemptId);
      const keysOf = (id: string) => keys.get(id) ?? [];
      const moves = items.map(({ attemptId, session }, index): Move | undefined => {
        const row = rows.get(attemptId);
        if (!row || ids.indexOf(attemptId) < index) return undefined; // a signal and a drain may meet here
        const decision = mayDispatch({
          ...row,
          sessionEpoch: session.epoch,
          frozenBdk: keysOf(attemptId).some((key) => key.frozenBdk),
        });
        if (decision.send) {
          return {
            steps: [transition(attemptOf(row), 'send')],
            actor: this.actor,
            sentEpoch: session.epoch,
            evidence: { session: session.sessionId },
            body: { epoch: Number(session.epoch) },
          };
        }
        return decision.cancel ? ending(attemptOf(row), 'cancel', this.actor, decision.cancel) : undefined;
      });
      const moved = await applyMoves(
        sql,
        moves.filter((move) => move !== undefined),
      );
      if (moved.size > 0) sql.commitsAs('sent.commit');
      return items.map(({ attemptId, session }, index) =>
        moved.has(attemptId) && moves[index]?.sentEpoch !== undefined
          ? messageOf(rows.get(attemptId) as DispatchRow, keysOf(attemptId), session)
          : undefined,
      );
    });
  }
}

/** What waits for each of the terminals, the oldest first. */
async function readDispatchable(sql: Sql, terminalIds: string[]): Promise<string[][]> {
  const rows = await sql.query<{ id: string; terminalId: string }>(
    `select id, terminal_id as "terminalId" from attempt
     where terminal_id = any($1::uuid[]) and outcome is null and state = 'DISPATCHABLE' order by id`,
    [terminalIds],
    'read-dispatchable',
  );
  const byTerminal = groupRows(rows, (row) => row.terminalId);
  return terminalIds.map((terminalId) => (byTerminal.get(terminalId) ?? []).map(({ id }) => id));
}

/**
 * Locks the attempts, and against a change of their terminal or session until the commit: none is sent behind a newer
 * session of the terminal. The count makes PostgreSQL take all locks of terminals and sessions before one of an attempt, so
 * that the order is that of `Database`.
 */
function holdForDispatch(sql: Sql, ids: string[], terminalIds: string[]): Promise<DispatchRow[]> {
  return sql.query<DispatchRow>(
    `with held as materialized (
       select t.id, t.state, t.bound_kdh_fingerprint is not null as bound,
         case when s.closed_at is null then s.epoch end as epoch,
         (select count(*) = 3 from terminal_certificate c
           where c.terminal_id = t.id and c.revoked_at is null and now() between c.not_before and c.not_after)
           as certificates_valid
       from terminal t join terminal_session s on s.terminal_id = t.id
       where t.id = any($2::uuid[]) order by t.id for share of t, s
     ), locked as materialized (
       select id, state, version, kind, token, plan_hash, nonce_k2, expires_at, terminal_id from attempt
       where id = any($1::uuid[]) and (select count(*) from held) > 0 order by id for no key update
     )
     select a.id, a.state, a.version, a.kind, a.token, a.plan_hash as "planHash", a.nonce_k2 as "nonceK2",
       a.expires_at as "expiresAt", a.expires_at <= now() as expired, t.state as "terminalState", t.bound,
       t.epoch as "currentEpoch", t.certificates_valid as "certificatesValid"
     from locked a join held t on t.id = a.terminal_id order by a.id`,
    [ids, terminalIds],
    'hold-for-dispatch',
  );
}

/**
 * The keys of the attempts, locked against a change of their BDKs until the commit: no send follows a freeze. They are
 * looked up by attempt: planned together with the BDKs, all that was ever derived from a BDK might be read.
 */
function holdKeys(sql: Sql, attemptIds: string[]): Promise<KeyRow[]> {
  return sql.query<KeyRow>(
    `with keys as materialized (
       select attempt_id, position, slot, algorithm, ksn, kcv_expected, key_block, bdk_id
       from attempt_key where attempt_id = any($1::uuid[])
     ), bdks as materialized (
       select id, state from bdk where id in (select bdk_id from keys) order by id for share
     )
     select k.attempt_id as "attemptId", k.slot, k.algorithm, k.ksn, k.kcv_expected as kcv, k.key_block as "keyBlock",
       coalesce(b.state <> 'ACTIVE', false) as "frozenBdk"
     from keys k left join bdks b on b.id = k.bdk_id order by k.attempt_id, k.position`,
    [attemptIds],
    'hold-keys',
  );
}

/** The frame of an attempt: the same key bytes each time it is sent, under the epoch of the session that sends it. */
function messageOf(row: DispatchRow, keys: KeyRow[], session: LiveSession): KdhMessage {
  const common = {
    attempt: row.id,
    epoch: Number(session.epoch),
    nonceK2: row.nonceK2.toString('base64'),
    expiresAt: row.expiresAt.toISOString(),
  };
  if (row.kind === 'KBPK') {
    const [key] = keys as [KeyRow];
    return {
      t: 'LOAD_KBPK',
      b: { ...common, token: (row.token as Buffer).toString('base64'), kcv: key.kcv },
    };
  }
  const plan = keys.map((key) => ({
    slot: key.slot,
    tr31: key.keyBlock as string,
    ...(key.ksn && { ksn: key.ksn }),
    kcv: key.kcv,
    algorithm: key.algorithm,
  }));
  return { t: 'LOAD_KEYS', b: { ...common, plan, planHash: row.planHash } };
}
