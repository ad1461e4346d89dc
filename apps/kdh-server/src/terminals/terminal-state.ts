import { appendAuditEvents } from '../audit/audit-event.ts';
import type { Sql } from '../database/database.ts';
import { signal } from '../database/signals.ts';
import { Problem } from '../http/problem.ts';
import { type AttemptState, allows } from '../loads/attempt.ts';
import { applyMoves, attemptOf } from '../loads/attempt-store.ts';
import { ending } from '../loads/load-requests.ts';

export type TerminalState = 'ACTIVE' | 'SUSPENDED' | 'REVOKED';

/** From which states a person may bring a terminal into one; nothing leads out of REVOKED. */
const before: Record<TerminalState, readonly TerminalState[]> = {
  ACTIVE: ['SUSPENDED'],
  SUSPENDED: ['ACTIVE'],
  REVOKED: ['ACTIVE', 'SUSPENDED'],
};

/**
 * Suspends, resumes or revokes a terminal in the caller's transaction. After the commit nothing is sent to one that is
 * not active (I6), and its session is closed on whichever node has it. REVOKED is for good: its certificates go with it.
 */
export async function changeTerminalState(
  sql: Sql,
  { id, to, reason, actor }: { id: string; to: TerminalState; reason: string; actor: string },
): Promise<void> {
  const [current] = await sql.query<{ state: TerminalState }>(
    'select state from terminal where id = $1 for no key update',
    [id],
  );
  if (!current) throw new Problem(404, 'TERMINAL_UNKNOWN', 'no terminal has this id');
  if (!before[to].includes(current.state)) {
    throw new Problem(409, 'TERMINAL_STATE', `the terminal is ${current.state}`);
  }
  await sql.query('update terminal set state = $2, state_reason = $3 where id = $1', [id, to, reason]);
  if (to === 'REVOKED') {
    sql.commitsAs('revoke.commit');
    await sql.query(
      'update terminal_certificate set revoked_at = now() where terminal_id = $1 and revoked_at is null',
      [id],
    );
  }
  if (to !== 'ACTIVE') {
    await cancelUnsent(sql, id, actor, `TERMINAL_${to}`);
    await signal(sql, 'barred', [{ terminalId: id, code: to === 'REVOKED' ? 'CERT_REVOKED' : 'SUSPENDED' }]);
  }
  await appendAuditEvents(sql, [
    {
      type: `terminal.${to.toLowerCase()}`,
      actor,
      terminalId: id,
      body: { from: current.state, reason },
    },
  ]);
}

/** What was not sent will not be (I6); what was sent keeps waiting for the terminal's word. */
async function cancelUnsent(sql: Sql, terminalId: string, actor: string, reasonCode: string): Promise<void> {
  const open = await sql.query<{ id: string; state: AttemptState; version: number }>(
    'select id, state, version from attempt where terminal_id = $1 and outcome is null order by id for no key update',
    [terminalId],
  );
  await applyMoves(
    sql,
    open
      .filter((row) => allows(row.state, 'cancel'))
      .map((row) => ending(attemptOf(row), 'cancel', actor, reasonCode)),
  );
}
