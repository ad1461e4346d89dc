import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import type { Sql } from '../database/database.ts';

/** Why a person must look at a terminal, or at the log: LOG_CONTRADICTED is about no terminal. */
export const incidentKinds = [
  'RESULT_MISMATCH',
  'RESULT_CONTRADICTION',
  'LATE_RESULT',
  'OUTCOME_UNKNOWN',
  'INVENTORY_MISMATCH',
  'LOG_CONTRADICTED',
] as const;
export type IncidentKind = (typeof incidentKinds)[number];

/** What a person may decide, and what the KDH then does. The attempt itself stays as it ended (I5). */
export const incidentDecisions = {
  FALSE_ALARM: 'nothing: the terminal holds what it should, or what it holds does no harm',
  SETTLED: 'nothing: the matter was settled outside the KDH, as the reason says',
  LOAD_AGAIN: 'asks for a new load of the terminal, with KSNs of its own',
  REVOKE_TERMINAL: 'revokes the terminal for good: it was stolen, replaced, or is not trusted any more',
} as const;
export type IncidentDecision = keyof typeof incidentDecisions;

export interface NewIncident {
  kind: IncidentKind;
  /** Absent: of LOG_CONTRADICTED. */
  terminalId?: string;
  attemptId?: string;
  /** Who showed it; see `AuditEvent.actor`. */
  actor: string;
  detail?: Record<string, unknown>;
}

/** Opens incidents in the caller's transaction, each with its event. */
export async function openIncidents(sql: Sql, incidents: readonly NewIncident[]): Promise<void> {
  if (incidents.length === 0) return;
  const rows = incidents.map((incident) => ({ id: uuidv7(), detail: {}, ...incident }));
  await sql.query(
    `insert into incident (id, kind, terminal_id, attempt_id, detail)
     select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::jsonb[])`,
    [
      rows.map(({ id }) => id),
      rows.map(({ kind }) => kind),
      rows.map(({ terminalId }) => terminalId ?? null),
      rows.map(({ attemptId }) => attemptId ?? null),
      rows.map(({ detail }) => JSON.stringify(detail)),
    ],
  );
  await appendAuditEvents(
    sql,
    rows.map(({ id, kind, terminalId, attemptId, actor, detail }) => ({
      type: 'incident.opened',
      actor,
      terminalId,
      attemptId,
      body: { incident: id, kind, ...detail },
    })),
  );
}
