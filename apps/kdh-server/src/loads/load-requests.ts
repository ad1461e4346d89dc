import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Sql } from '../database/database.ts';
import { groupRows } from '../database/rows.ts';
import { type AttemptState, shortestDeadlineSeconds, transition } from './attempt.ts';
import type { Move } from './attempt-store.ts';

const logger = new Logger('Attempts');

/** A request for one attempt: the first key by TR-34 (`KBPK`), or the profile's keys by TR-31 (`KEYS`). */
export interface AttemptRequest {
  terminalId: string;
  kind: 'KBPK' | 'KEYS';
  profileId: string;
  profileVersion: number;
  /** `terminal:<serial>` when it pulled, `operator:<commitment>` when a person asked. */
  requestedBy: string;
  reason?: string;
  /** R_KRD, for `KBPK`. */
  terminalNonce?: Uint8Array;
}

export interface NewAttempt {
  id: string;
  loadId: string;
  /** Among the attempts of its terminal. */
  number: number;
  state: AttemptState;
}

/** The rule by which attempts are approved while no approval policy is in force. The audit event of the request says it. */
const APPROVAL_RULE = 'profile-requires-no-approval';

/** What that rule does to every attempt as it is written. */
const approval = transition({ id: '', state: 'REQUESTED', version: 1 }, 'approve');

/**
 * Writes new attempts with their numbers (dense per terminal), their first two states and their outbox rows, in the
 * caller's transaction: what is requested is queued, or neither is. One terminal must not appear twice.
 */
export async function requestAttempts(
  sql: Sql,
  requests: AttemptRequest[],
  options: { expirySeconds: number },
): Promise<NewAttempt[]> {
  if (requests.length === 0) return [];
  const attempts = requests.map(() => ({ id: uuidv7(), loadId: uuidv7() }));
  const counted = await sql.query<{ id: string; number: number }>(
    `with request as (
       select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::int[], $7::text[],
         $8::text[], $9::bytea[], $10::bytea[])
         as r(id, load_id, terminal_id, kind, profile_id, profile_version, requested_by, reason, terminal_nonce, nonce_k2)
     ), counted as (
       update terminal t set attempts_made = attempts_made + 1 from request r where t.id = r.terminal_id
       returning t.id, t.attempts_made
     ), inserted as (
       insert into attempt (id, load_id, terminal_id, number, kind, profile_id, profile_version, requested_by, reason,
         terminal_nonce, nonce_k2, state, version, deadline, watch_at, expires_at, times)
       select r.id, r.load_id, r.terminal_id, c.attempts_made, r.kind, r.profile_id, r.profile_version, r.requested_by,
         r.reason, r.terminal_nonce, r.nonce_k2, $12::text, $13::int, now() + least($11::int, $14) * interval '1 second',
         now() + least($11::int, $16) * interval '1 second',
         now() + $11 * interval '1 second', array[clock_timestamp(), clock_timestamp()]
       from request r join counted c on c.id = r.terminal_id
     ), event as (
       insert into audit_event (type, actor, terminal_id, attempt_id, body)
       select 'attempt.requested', r.requested_by, r.terminal_id, r.id, jsonb_strip_nulls(jsonb_build_object(
         'kind', r.kind, 'profile', r.profile_id, 'number', c.attempts_made, 'reason', r.reason, 'rule', $15::text))
       from request r join counted c on c.id = r.terminal_id
     )
     select r.id, c.attempts_made as number from request r join counted c on c.id = r.terminal_id`,
    [
      attempts.map((a) => a.id),
      attempts.map((a) => a.loadId),
      requests.map((r) => r.terminalId),
      requests.map((r) => r.kind),
      requests.map((r) => r.profileId),
      requests.map((r) => r.profileVersion),
      requests.map((r) => r.requestedBy),
      requests.map((r) => r.reason ?? null),
      requests.map((r) => (r.terminalNonce ? Buffer.from(r.terminalNonce) : null)),
      requests.map(() => randomBytes(16)),
      options.expirySeconds,
      approval.to,
      approval.version,
      approval.deadlineSeconds,
      APPROVAL_RULE,
      shortestDeadlineSeconds,
    ],
    'request-attempts',
  );
  await enqueue(
    sql,
    attempts.map((attempt) => attempt.id),
  );
  sql.afterCommit(() => {
    const told = attempts.map(({ id }, index) => ({ id, actor: requests[index]!.requestedBy }));
    for (const [actor, alike] of groupRows(told, (attempt) => attempt.actor)) {
      logger.log({ event: 'attempt.requested', actor, attempts: alike.map(({ id }) => id) });
    }
  });
  const numbers = new Map(counted.map(({ id, number }) => [id, number]));
  return attempts.map((attempt) => ({
    ...attempt,
    number: numbers.get(attempt.id) as number,
    state: approval.to,
  }));
}

/** Asks the relay to put these attempts before a worker; written with the state that wants it. */
export async function enqueue(sql: Sql, attemptIds: string[]): Promise<void> {
  if (attemptIds.length === 0) return;
  await sql.query('insert into outbox (attempt_id) select unnest($1::uuid[])', [attemptIds], 'enqueue');
}

/** Ends an attempt that can no longer be delivered; leaves it alone where someone else was first. */
export function ending(
  attempt: Parameters<typeof transition>[0],
  event: 'cancel' | 'fail' | 'expire',
  actor: string,
  reasonCode: string,
): Move {
  return { steps: [transition(attempt, event)], actor, reasonCode };
}
