import type { Sql } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import { requestAttempts } from './load-requests.ts';
import type { Load } from './loads.schemas.ts';

interface TerminalRow {
  id: string;
  serial: string;
  state: string;
  profileId: string;
  profileVersion: number;
}

/**
 * A further load of each terminal, as a person decided with a reason (PCI PIN 20-1), in the caller's transaction: of all
 * of them or of none. What it throws goes through {@link loadRefusal}.
 */
export async function requestFurtherLoads(
  sql: Sql,
  request: { terminalIds: string[]; reason: string; actor: string; expirySeconds: number },
): Promise<Load[]> {
  const { terminalIds, reason, actor, expirySeconds } = request;
  const terminals = await sql.query<TerminalRow>(
    `select t.id, t.serial, t.state, t.profile_id as "profileId", p.version as "profileVersion"
     from terminal t join profile p on p.id = t.profile_id
     where t.id = any($1::uuid[]) order by t.id for no key update of t`,
    [terminalIds],
    'lock-terminals-to-load',
  );
  requireActive(terminalIds, terminals);
  const attempts = await requestAttempts(
    sql,
    terminals.map(({ id, profileId, profileVersion }) => ({
      terminalId: id,
      kind: 'KEYS',
      profileId,
      profileVersion,
      requestedBy: actor,
      reason,
    })),
    { expirySeconds },
  );
  return attempts.map(({ loadId, id, number, state }, index) => {
    const { id: terminalId, profileId } = terminals[index] as TerminalRow;
    return { id: loadId, terminalId, profileId, attempts: [{ id, number, state, reasonCode: null }] };
  });
}

/** The refusal that names the terminal in the way, where an error means one; any other error as it is. */
export function loadRefusal(error: unknown): unknown {
  if (!violates(error, 'attempt_one_open')) return error;
  const [terminal] = /[0-9a-f-]{36}/.exec((error as { detail?: string }).detail ?? '') ?? [];
  return new Problem(409, 'LOAD_OPEN', `terminal ${terminal} has a load under way; wait for its end`);
}

function requireActive(terminalIds: string[], terminals: TerminalRow[]): void {
  const unknown = terminalIds.find((id) => !terminals.some((terminal) => terminal.id === id));
  if (unknown) throw new Problem(404, 'TERMINAL_UNKNOWN', `no terminal has the id ${unknown}`);
  const inactive = terminals.find(({ state }) => state !== 'ACTIVE');
  if (inactive) throw new Problem(409, 'TERMINAL_STATE', `terminal ${inactive.serial} is ${inactive.state}`);
}
