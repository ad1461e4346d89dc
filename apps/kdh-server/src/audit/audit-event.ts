import type { Sql } from '../database/database.ts';

/** What happened, by whom, to what. Never a key, a key block or a KCV longer than six digits. */
export interface AuditEvent {
  /** `feature.verb`, e.g. `attempt.sent`, `terminal.enrolled`. */
  type: string;
  /** `operator:<commitment>` (see person-names.ts), `terminal:<serial>` or `node:<id>`. */
  actor: string;
  terminalId?: string | undefined;
  attemptId?: string | undefined;
  body?: Record<string, unknown>;
}

/** Appends events in the caller's transaction: no event, no act. */
export async function appendAuditEvents(sql: Pick<Sql, 'query'>, events: AuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql.query(
    `insert into audit_event (type, actor, terminal_id, attempt_id, body)
     select * from unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::jsonb[])`,
    [
      events.map((e) => e.type),
      events.map((e) => e.actor),
      events.map((e) => e.terminalId ?? null),
      events.map((e) => e.attemptId ?? null),
      events.map((e) => JSON.stringify(e.body ?? {})),
    ],
  );
}
