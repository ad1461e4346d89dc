import { Logger } from '@nestjs/common';
import type { LoadResult } from '@openkdh/terminal-protocol';
import type { Sql } from '../database/database.ts';
import { groupRows } from '../database/rows.ts';
import { type AttemptRef, type AttemptState, isFinal, placeOf, type Transition } from './attempt.ts';
import { countEntered, observeLeft } from './attempt-metrics.ts';

const logger = new Logger('Attempts');

/** One attempt's way through one or more arrows, to be written in one transaction. */
export interface Move {
  steps: [Transition, ...Transition[]];
  /** Who caused it; see `AuditEvent.actor`. */
  actor: string;
  /** Reason of a non-success, a stable code. */
  reasonCode?: string;
  /** Session epoch, of a move that sends. */
  sentEpoch?: bigint;
  /** Hex SHA-256 of the plan, of a move that stores key blocks. */
  planHash?: string;
  /** The terminal's signed answer, of a move that receives a result and ends the attempt. */
  result?: LoadResult;
  /** What the transfer record keeps of this move beside the state (node, certificate fingerprints, …). */
  evidence?: Record<string, unknown>;
  /** What the audit event says beside the states. */
  body?: Record<string, unknown>;
}

export function attemptOf(row: { id: string; state: string; version: number }): AttemptRef {
  return { id: row.id, state: row.state as AttemptState, version: row.version };
}

/** Locks attempts in the order of their ids, for whoever moves several of them and has not locked them by reading. */
export async function lockAttempts(sql: Sql, ids: string[]): Promise<void> {
  await sql.query(
    'select 1 from attempt where id = any($1::uuid[]) order by id for no key update',
    [ids],
    'lock-attempts',
  );
}

/**
 * Applies moves by compare-and-set on (state, version) and appends one audit event for each, all in the caller's
 * transaction. Returns the ids that moved; another writer got to the others first, and the caller leaves them alone.
 * A final state erases the key blocks (PCI PIN 24: only their SHA-256 stays) and burns the KSNs unless confirmed.
 */
export async function applyMoves(sql: Sql, moves: Move[]): Promise<Set<string>> {
  // An attempt that stood twice in a statement would move once, by either of the two.
  if (new Set(moves.map((move) => move.steps[0].attempt.id)).size < moves.length) {
    throw new Error('an attempt stands twice in one group of moves');
  }
  const moved = new Set<string>();
  for (const alike of groupRows(moves, wayOf).values()) {
    const rows = await applyAlike(sql, alike);
    for (const { id } of rows) moved.add(id);
    sql.afterCommit(() => tellMoves(alike, rows));
  }
  await closeKeysOfEnded(sql, moves, moved);
  return moved;
}

interface Moved {
  id: string;
  /** That the attempt was in the state that it left. */
  seconds: number;
}

/** The states through which a move leads. */
function wayOf({ steps }: Move): string {
  return [steps[0].from, ...steps.map((step) => step.to)].join(' ');
}

/**
 * Moves of one way. Their events keep the order of the moves, in which KSNs were reserved. `watch_at` is never after the
 * deadline and seldom moves, so that only the last move of an attempt touches an index.
 */
function applyAlike(sql: Sql, moves: Move[]): Promise<Moved[]> {
  const { steps } = moves[0] as Move;
  const last = steps.at(-1) as Transition;
  return sql.query(
    `with moved as (
       update attempt a set
         state = $2,
         version = m.version + $3,
         deadline = case when $4 then null else least(a.expires_at, now() + $5::int * interval '1 second') end,
         watch_at = least(a.watch_at, now() + $5::int * interval '1 second'),
         reason_code = coalesce(m.reason_code, a.reason_code),
         sent_epochs = case when m.sent_epoch is null then a.sent_epochs else a.sent_epochs || m.sent_epoch end,
         plan_hash = coalesce(m.plan_hash, a.plan_hash),
         result = coalesce(m.result, a.result),
         token = case when $4 then null else a.token end,
         evidence = case when m.evidence is null then a.evidence else a.evidence || m.evidence end,
         times[$7::int] = clock_timestamp(),
         times[$8::int] = clock_timestamp()
       from unnest($9::uuid[], $10::int[], $11::text[], $12::bigint[], $13::text[], $14::jsonb[], $15::jsonb[],
         $16::text[], $17::jsonb[]) with ordinality
         as m(id, version, reason_code, sent_epoch, plan_hash, result, evidence, actor, body, position)
       where a.id = m.id and a.state = $1 and a.version = m.version
       returning a.id, a.terminal_id, m.actor, m.body, m.position,
         extract(epoch from clock_timestamp() - a.times[$6::int])::float8 as seconds
     ), event as (
       insert into audit_event (type, actor, terminal_id, attempt_id, body)
       select $18::text, actor, terminal_id, id, body from moved order by position
     )
     select id, seconds from moved`,
    [
      steps[0].from,
      last.to,
      steps.length,
      isFinal(last.to),
      last.deadlineSeconds,
      placeOf(steps[0].from),
      placeOf(steps[0].to),
      placeOf(last.to),
      moves.map((m) => m.steps[0].attempt.id),
      moves.map((m) => m.steps[0].attempt.version),
      moves.map((m) => m.reasonCode ?? null),
      moves.map((m) => m.sentEpoch ?? null),
      moves.map((m) => m.planHash ?? null),
      moves.map((m) => (m.result === undefined ? null : JSON.stringify(m.result))),
      moves.map((m) => (m.evidence === undefined ? null : JSON.stringify(m.evidence))),
      moves.map((m) => m.actor),
      moves.map((m) => JSON.stringify(eventBodyOf(m))),
      `attempt.${last.to.toLowerCase()}`,
    ],
    'apply-moves',
  );
}

/**
 * The body of the audit event of a move: the last arrow, where the move began, and the states that it only went through.
 * docs/audit-log.md, "Entries".
 */
export function eventBodyOf({ steps, reasonCode, body }: Move) {
  const last = steps.at(-1) as Transition;
  return {
    event: last.event,
    from: steps[0].from,
    ...(steps.length > 1 && { through: steps.slice(0, -1).map((step) => step.to) }),
    version: last.version,
    ...(reasonCode && { reasonCode }),
    ...body,
  };
}

/** Counts moves of one way, and writes a line for those by the same actor for the same reason; never key material. */
function tellMoves(moves: Move[], moved: Moved[]): void {
  const { steps } = moves[0] as Move;
  for (const { to } of steps) countEntered(to, moved.length);
  for (const { seconds } of moved) observeLeft(steps[0].from, seconds);
  const ids = new Set(moved.map(({ id }) => id));
  const told = moves.filter((move) => ids.has(move.steps[0].attempt.id));
  const to = steps.map((step) => step.to).join(' ');
  for (const alike of groupRows(told, ({ actor, reasonCode }) => `${actor} ${reasonCode}`).values()) {
    const { actor, reasonCode } = alike[0] as Move;
    const attempts = alike.map((move) => move.steps[0].attempt.id);
    logger.log({ event: 'attempt.moved', to, actor, reasonCode, attempts });
  }
}

async function closeKeysOfEnded(sql: Sql, moves: Move[], moved: Set<string>): Promise<void> {
  const ended = moves
    .map(({ steps, result }) => ({ step: steps.at(-1) as Transition, result }))
    .filter(({ step }) => isFinal(step.to) && moved.has(step.attempt.id));
  if (ended.length === 0) return;
  await sql.query(
    `update attempt_key k set key_block = null, burned = k.ksn is not null and e.burns,
       kcv_reported = e.reported -> k.slot ->> 'kcv', result_code = (e.reported -> k.slot ->> 'code')::int
     from unnest($1::uuid[], $2::boolean[], $3::jsonb[]) as e(attempt_id, burns, reported)
     where k.attempt_id = e.attempt_id`,
    [
      ended.map(({ step }) => step.attempt.id),
      ended.map(({ step }) => step.burnsKsn),
      ended.map(({ result }) => JSON.stringify(reportedBySlot(result))),
    ],
    'close-keys',
  );
}

/** PCI PIN 15-1: what is kept and shown of a check value is three bytes. */
function reportedBySlot(result: LoadResult | undefined) {
  return Object.fromEntries(
    (result?.results ?? []).map(({ slot, code, kcv }) => [slot, { code, kcv: kcv?.slice(0, 6) }]),
  );
}
