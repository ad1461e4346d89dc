import type { Sql } from '../../database/database.ts';
import { type AttemptState, placeOf } from '../../loads/attempt.ts';
import type { KeyFamily } from './retention.ts';

type Query = Pick<Sql, 'query'>;

/** A BDK with the keys that were derived from it. */
export interface BdkFamily extends KeyFamily {
  id: string;
  name: string;
  bdkId: string;
  state: string;
  createdAt: Date;
}

/** Ends of attempts that leave nothing in a terminal. An attempt under way may have left something already. */
const leavesNothing: readonly AttemptState[] = ['REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED'];

/**
 * The families of some BDKs, or of all. A terminal may hold a key from the attempt that brought it until one is confirmed that
 * brought another into the same slot, or until the terminal is revoked.
 */
export function readFamilies(sql: Query, bdks?: readonly string[]): Promise<BdkFamily[]> {
  return sql.query<BdkFamily>(
    `with loaded as (
       select k.bdk_id, k.slot, a.terminal_id, max(a.number) as number
       from attempt_key k join attempt a on a.id = k.attempt_id
       where k.bdk_id is not null and ($1::uuid[] is null or k.bdk_id = any($1)) and a.state <> all($2)
       group by k.bdk_id, k.slot, a.terminal_id
     ), held as (
       select l.bdk_id, l.terminal_id, least(
         (select n.times[${placeOf('CONFIRMED')}] from attempt n join attempt_key nk on nk.attempt_id = n.id
          where n.terminal_id = l.terminal_id and n.number > l.number and n.state = 'CONFIRMED' and nk.slot = l.slot
          order by n.number limit 1),
         (select max(c.revoked_at) from terminal_certificate c where c.terminal_id = l.terminal_id and t.state = 'REVOKED')
       ) as released_at
       from loaded l join terminal t on t.id = l.terminal_id
     )
     select b.id, b.name, b.bdk_id as "bdkId", b.state, b.created_at as "createdAt", b.destroyed_at as "destroyedAt",
       count(distinct h.terminal_id) filter (where h.released_at is null)::int as holders, max(h.released_at) as "lastReleasedAt"
     from bdk b left join held h on h.bdk_id = b.id
     where $1::uuid[] is null or b.id = any($1) group by b.id order by b.id`,
    [bdks ?? null, leavesNothing],
  );
}

/** The families that what a person did belongs to: to a BDK, a profile, a terminal, a load. */
export async function readFamiliesOf(sql: Query, actor: string): Promise<BdkFamily[]> {
  const bdks = await sql.query<{ id: string }>(
    `with acts as (
       select type, terminal_id, attempt_id, body from audit_event where actor = $1 and actor like 'operator:%'
       union all select 'attempt.approved', null, attempt_id, '{}' from attempt_approval where person = $1
     )
     select (body ->> 'id')::uuid as id from acts where type like 'bdk.%'
     union select (slot ->> 'bdkId')::uuid from acts, jsonb_array_elements(body -> 'slots') slot where type = 'profile.created'
     union select k.bdk_id from acts join attempt_key k on k.attempt_id = acts.attempt_id where k.bdk_id is not null
     union select k.bdk_id from acts join attempt a on a.terminal_id = acts.terminal_id
       join attempt_key k on k.attempt_id = a.id where k.bdk_id is not null`,
    [actor],
  );
  return bdks.length === 0
    ? []
    : readFamilies(
        sql,
        bdks.map(({ id }) => id),
      );
}
