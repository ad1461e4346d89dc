import type { Sql } from '../database/database.ts';
import { type DukptScheme, initialKsn, REFUSE_PERCENT } from './ksn.ts';

export type AllocationRefusal = 'BDK_FROZEN' | 'KSN_SPACE_EXHAUSTED';

/** Consecutive KSNs of one BDK, or the reason why there are none. */
export type Allocation = { ksns: string[] } | { refusal: AllocationRefusal };

/**
 * Reserves `count` KSNs of each BDK in the caller's transaction, which must commit, alone and synchronously, before any
 * HSM call (I1, rule b). Rows are locked in the order of their ids, so that two workers cannot block each other.
 */
export async function reserveKsns(sql: Sql, counts: Map<string, number>): Promise<Map<string, Allocation>> {
  const allocations = new Map<string, Allocation>();
  for (const bdkId of [...counts.keys()].sort()) {
    allocations.set(bdkId, await reserve(sql, bdkId, counts.get(bdkId) as number));
  }
  return allocations;
}

async function reserve(sql: Sql, id: string, count: number): Promise<Allocation> {
  const [bdk] = await sql.query<{
    scheme: DukptScheme;
    bdk_id: string;
    next: bigint;
    last: bigint;
    state: string;
  }>(
    `select scheme, bdk_id, next_device as next, last_device as last, state from bdk where id = $1 for update`,
    [id],
  );
  if (bdk?.state !== 'ACTIVE') return { refusal: 'BDK_FROZEN' };
  const cap = (bdk.last * REFUSE_PERCENT) / 100n;
  if (bdk.next + BigInt(count) - 1n > cap) return { refusal: 'KSN_SPACE_EXHAUSTED' };
  await sql.query('update bdk set next_device = next_device + $2 where id = $1', [id, count]);
  return {
    ksns: Array.from({ length: count }, (_, index) =>
      initialKsn(bdk.scheme, bdk.bdk_id, bdk.next + BigInt(index)),
    ),
  };
}
