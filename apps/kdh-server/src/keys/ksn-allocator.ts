import { appendAuditEvents } from '../audit/audit-event.ts';
import type { Sql } from '../database/database.ts';
import { type AllocatableBdk, type Allocation, type AllocationRequest, allocate } from './allocation.ts';
import { devicesLeft } from './ksn.ts';

/**
 * Reserves KSNs in the caller's transaction, which must commit, alone and synchronously, before any HSM call (I1, rule
 * b). BDKs are locked in the order of their ids, so that two workers cannot block each other.
 * @param actor who allocates, for the event of a space that becomes short
 */
export async function reserveKsns(
  sql: Sql,
  requests: readonly AllocationRequest[],
  actor: string,
): Promise<Allocation[]> {
  const ids = [...new Set(requests.flatMap(({ bdkIds }) => bdkIds))];
  if (ids.length === 0) return requests.map(() => ({ ksns: [] }));
  const bdks = await sql.query<AllocatableBdk>(
    `select id, scheme, bdk_id as "bdkId", state, next_device as "nextDevice", max_devices as "maxDevices",
       segment ->> 'model' as model
     from bdk where id = any($1::uuid[]) order by id for no key update`,
    [ids],
    'lock-bdks',
  );
  const { allocations, used, runningShort } = allocate(bdks, requests);
  await sql.query(
    'update bdk b set next_device = u.next from unnest($1::uuid[], $2::bigint[]) as u(id, next) where b.id = u.id',
    [used.map(({ id }) => id), used.map(({ nextDevice }) => nextDevice)],
    'advance-bdks',
  );
  await appendAuditEvents(
    sql,
    runningShort.map((bdk) => ({
      type: 'bdk.ksn-space-low',
      actor,
      body: { id: bdk.id, left: Number(devicesLeft(bdk)), maxDevices: Number(bdk.maxDevices) },
    })),
  );
  return allocations;
}
