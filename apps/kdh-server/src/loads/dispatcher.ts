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
import { ending } from './load-requests.ts';

interface DispatchRow extends Omit<DispatchCheck, 'sessionEpoch'> {
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
}

/** Signals are the fast way; this is how long a lost one can hold up an attempt. */
const CATCH_UP_MILLISECONDS = 5_000;
const CATCH_UP_ATTEMPTS = 500;

interface Dispatch {
  attemptId: string;
  session: LiveSession;
}

/**
 * Step 3 of a load: the preconditions are checked again in the transaction that writes SENT; only after its commit do
 * bytes leave, to the session whose epoch is current. An attempt without a session waits for the terminal's next HELLO.
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

  /** Attempts became DISPATCHABLE: sends those whose terminal is connected here. */
  wake(attempts: { attemptId: string; terminalId: string }[]): void {
    for (const { attemptId, terminalId } of attempts) {
      const session = this.sessions.get(terminalId);
      if (session?.ready) void this.dispatch(attemptId, session);
    }
  }

  /** Sends what waits for this terminal; called at HELLO and whenever its session becomes ready. */
  async drain(session: LiveSession): Promise<void> {
    const waiting = await this.database.query<{ id: string }>(
      `select id from attempt where terminal_id = $1 and outcome is null and state = 'DISPATCHABLE' order by id`,
      [session.terminalId],
    );
    for (const { id } of waiting) await this.dispatch(id, session);
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

  private async dispatch(attemptId: string, session: LiveSession): Promise<void> {
    try {
      const message = await this.commits.add({ attemptId, session });
      if (message) await failpoint('socket.write', async () => session.send(message));
    } catch (error) {
      this.logger.warn({ event: 'dispatch.delayed', attempt: attemptId, msg: (error as Error).message });
    }
  }

  private commit(items: Dispatch[]): Promise<(KdhMessage | undefined)[]> {
    return this.database.transaction(async (sql) => {
      const ids = items.map((item) => item.attemptId);
      const terminalIds = items.map(({ session }) => session.terminalId);
      const checked = await failpoint('precheck', () => readForDispatch(sql, ids, terminalIds));
      const rows = new Map(checked.map((row) => [row.id, row]));
      const moves = items.map(({ attemptId, session }, index): Move | undefined => {
        const row = rows.get(attemptId);
        if (!row || ids.indexOf(attemptId) < index) return undefined; // a signal and a drain may meet here
        const decision = mayDispatch({ ...row, sessionEpoch: session.epoch });
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
      const sent = ids.filter((id, index) => moved.has(id) && moves[index]?.sentEpoch !== undefined);
      const keys = groupRows(await readKeys(sql, sent), (key) => key.attemptId);
      return items.map(({ attemptId, session }, index) =>
        moved.has(attemptId) && moves[index]?.sentEpoch !== undefined
          ? messageOf(rows.get(attemptId) as DispatchRow, keys.get(attemptId) ?? [], session)
          : undefined,
      );
    });
  }
}

/**
 * Locks the attempts, and against a change of their terminal, session or BDKs until the commit: no send follows a freeze,
 * and none a newer session of the terminal. Each count makes PostgreSQL take all locks of the kind before, so that the
 * order is that of `Database`. The keys are looked up by attempt: planned together with the BDKs, all that was ever
 * derived from a BDK might be read.
 */
function readForDispatch(sql: Sql, ids: string[], terminalIds: string[]): Promise<DispatchRow[]> {
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
     ), keys as materialized (
       select attempt_id, bdk_id from attempt_key where attempt_id = any($1::uuid[]) and bdk_id is not null
     ), bdks as materialized (
       select id, state from bdk
       where id in (select bdk_id from keys) and (select count(*) from locked) > 0 order by id for share
     )
     select a.id, a.state, a.version, a.kind, a.token, a.plan_hash as "planHash", a.nonce_k2 as "nonceK2",
       a.expires_at as "expiresAt", a.expires_at <= now() as expired, t.state as "terminalState", t.bound,
       t.epoch as "currentEpoch", t.certificates_valid as "certificatesValid",
       a.id in (select k.attempt_id from keys k join bdks b on b.id = k.bdk_id where b.state <> 'ACTIVE')
         as "frozenBdk"
     from locked a join held t on t.id = a.terminal_id order by a.id`,
    [ids, terminalIds],
    'read-for-dispatch',
  );
}

function readKeys(sql: Sql, attemptIds: string[]): Promise<KeyRow[]> {
  return sql.query<KeyRow>(
    `select attempt_id as "attemptId", slot, algorithm, ksn, kcv_expected as kcv, key_block as "keyBlock"
     from attempt_key where attempt_id = any($1::uuid[]) order by attempt_id, position`,
    [attemptIds],
    'read-keys',
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
