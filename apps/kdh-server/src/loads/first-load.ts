import type { Sql } from '../database/database.ts';
import { requestAttempts } from './load-requests.ts';

/**
 * Terminals pull: one that holds its first KBPK and was never offered its profile gets a load of it, in the caller's
 * transaction. Every later load of a terminal is a person's decision with a reason (PCI PIN 20-1).
 */
export async function requestFirstLoads(
  sql: Sql,
  terminalIds: string[],
  options: { expirySeconds: number },
): Promise<void> {
  if (terminalIds.length === 0) return;
  const wanting = await sql.query<{ id: string; serial: string; profileId: string; profileVersion: number }>(
    `select t.id, t.serial, t.profile_id as "profileId", p.version as "profileVersion"
     from terminal t join profile p on p.id = t.profile_id
     where t.id = any($1::uuid[]) and t.state = 'ACTIVE'
       and exists (select 1 from terminal_kbpk k
         where k.terminal_id = t.id and k.slot = 'KBPK-AES' and k.confirmed_at is not null and k.retired_at is null)
       and not exists (select 1 from attempt a where a.terminal_id = t.id and a.kind = 'KEYS')
     order by t.id for no key update of t`,
    [[...new Set(terminalIds)]],
  );
  await requestAttempts(
    sql,
    wanting.map((terminal) => ({
      terminalId: terminal.id,
      kind: 'KEYS',
      profileId: terminal.profileId,
      profileVersion: terminal.profileVersion,
      requestedBy: `terminal:${terminal.serial}`,
    })),
    options,
  );
}
