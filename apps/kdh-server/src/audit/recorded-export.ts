import type { Sql } from '../database/database.ts';
import type { Operator } from '../operators/operators.ts';
import { asRecorded, isCommitment } from '../operators/person-names.ts';
import { appendAuditEvents } from './audit-event.ts';

/** What of the history leaves the KDH as a whole, for somebody to keep: body of `history.exported`. */
export type HistoryExport =
  | { what: 'transfers' | 'events'; format: string; filters: Record<string, unknown> }
  | { what: 'evidence'; format: 'tar' | 'pdf'; attempt: string }
  | { what: 'report'; report: string; format: string; from: string; to: string }
  | { what: 'names' };

/**
 * Records who exports what, before it is sent. Pages of a search are not recorded one by one: who could read them is told by
 * `operator.signed-in`. An attempt stands in the body and not beside it, so that its evidence does not grow by being read.
 */
export function recordExport(sql: Pick<Sql, 'query'>, by: Operator, body: HistoryExport): Promise<void> {
  return appendAuditEvents(sql, [{ type: 'history.exported', actor: by.actor, body: { ...body } }]);
}

/**
 * Filters as the history may have them for good: a person by the commitment. Words, and a person of whom there is no
 * commitment, are left out: they may be the name of somebody.
 */
export async function recordableFilters(
  sql: Pick<Sql, 'query'>,
  { words, ...filters }: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const recordable: Record<string, unknown> = words === undefined ? {} : { words: '…' };
  for (const [name, value] of Object.entries(filters)) {
    const isPerson = typeof value === 'string' && value.startsWith('operator:');
    const recorded = isPerson ? await asRecorded(sql, value) : value;
    recordable[name] = isPerson && !isCommitment(recorded as string) ? 'operator:…' : recorded;
  }
  return recordable;
}
