import type { Sql } from '../database/database.ts';
import type { StoredEvent } from './log/entry.ts';

/**
 * Makes the check values in events that are being sealed findable, in the same transaction. They stand in a table of
 * their own because an index on attempt_key.kcv_expected, which is written under way, would slow every load down.
 */
export async function recordCheckValues(sql: Sql, events: StoredEvent[]): Promise<void> {
  const found = events.flatMap(({ attemptId, body }) =>
    attemptId === null ? [] : checkValuesIn(body).map((kcv) => ({ kcv, attemptId })),
  );
  if (found.length === 0) return;
  await sql.query(
    'insert into attempt_check_value (kcv, attempt_id) select * from unnest($1::text[], $2::uuid[])',
    [found.map(({ kcv }) => kcv), found.map(({ attemptId }) => attemptId)],
  );
}

/** Of the member `keys` that `attempt.dispatchable` has (docs/audit-log.md). */
function checkValuesIn({ keys }: StoredEvent['body']): string[] {
  if (!Array.isArray(keys)) return [];
  return keys.flatMap((key) => {
    const kcv = typeof key === 'object' && key !== null && !Array.isArray(key) ? key['kcv'] : undefined;
    return typeof kcv === 'string' ? [kcv] : [];
  });
}
