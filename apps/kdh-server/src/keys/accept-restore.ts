import type { Hsm } from '@openkdh/hsm-client';
import { appendAuditEvents } from '../audit/audit-event.ts';
import type { Config } from '../config/config.ts';
import type { Database, Sql } from '../database/database.ts';
import { markFileOf } from './high-water-guard.ts';
import {
  type BdkState,
  contradictions,
  type HighWaterMark,
  markOf,
  readDatabaseState,
  readMark,
  writeMark,
} from './high-water-mark.ts';
import { initialKsn } from './ksn.ts';

/**
 * Terminals refuse an epoch that is not above the highest that they have seen, and how many sessions are forgotten nobody
 * knows. A terminal that had more than this since the backup catches up by coming again.
 */
const EPOCHS_AHEAD = 1_000;

export type RestoreErrorCode = 'NOTHING_TO_ACCEPT' | 'BURN_UNKNOWN';

export class RestoreError extends Error {
  readonly code: RestoreErrorCode;
  constructor(code: RestoreErrorCode, message: string) {
    super(message);
    this.name = 'RestoreError';
    this.code = code;
  }
}

/** KSNs of one BDK that are given up, from the first to the last. */
export interface BurnedKsns {
  bdk: string;
  first: string;
  last: string;
  /** What the BDK goes on with. */
  nextDevice: bigint;
}

/**
 * KSNs that may have been given out by what a database has forgotten: those up to the mark, `beyond` after it, and those
 * up to the highest that an attempt has.
 */
export function doubtfulKsns(
  mark: HighWaterMark | undefined,
  bdks: readonly BdkState[],
  beyond: bigint,
): BurnedKsns[] {
  return bdks.flatMap(({ id, scheme, bdkId, nextDevice, maxDevices, highestDevice }) => {
    const marked = mark?.devices[id];
    const safe = [nextDevice, highestDevice + 1n, ...(marked === undefined ? [] : [marked + beyond])];
    const highest = safe.reduce((a, b) => (a > b ? a : b));
    const next = highest > maxDevices ? maxDevices + 1n : highest;
    if (next === nextDevice) return [];
    const ksn = (device: bigint) => initialKsn(scheme, bdkId, device);
    return [{ bdk: id, first: ksn(nextDevice), last: ksn(next - 1n), nextDevice: next }];
  });
}

/**
 * A person accepts that the database is an older one: `kdh-server accept-restore`, on each node that refuses to start.
 * All KSNs in doubt are burned, the epochs of all sessions raised, and the act is recorded, with its reason.
 * @param burn how many KSNs of each BDK may have been given out after the mark; by default as many keys as the HSM has
 *   released since, by its own count
 * @throws RestoreError
 */
export async function acceptRestore(
  config: Config,
  database: Database,
  hsm: Hsm,
  { reason, burn }: { reason: string; burn: bigint | undefined },
): Promise<BurnedKsns[]> {
  const file = markFileOf(config);
  const mark = readMark(file);
  const operations = await hsm.operationCount();
  return database.transaction(async (sql) => {
    const state = await readDatabaseState(sql, mark);
    const found = contradictions(mark, state);
    if (found.length === 0) {
      throw new RestoreError('NOTHING_TO_ACCEPT', 'the database has all that this node has seen');
    }
    const burned = doubtfulKsns(mark, state.bdks, burn ?? releasedSince(mark, operations));
    await burnKsns(sql, burned);
    await sql.query('update terminal_session set epoch = epoch + $1', [EPOCHS_AHEAD]);
    const actor = `node:${config.KDH_NODE_ID}`;
    await appendAuditEvents(sql, [
      {
        type: 'database.restore-accepted',
        actor,
        body: {
          reason,
          found,
          epochsAhead: EPOCHS_AHEAD,
          ...(mark && { lastSeen: { origin: mark.origin, size: Number(mark.size), root: mark.root } }),
        },
      },
      ...burned.map(({ bdk, first, last }) => ({
        type: 'bdk.ksns-burned',
        actor,
        body: { id: bdk, first, last },
      })),
    ]);
    const after = markOf(await readDatabaseState(sql, undefined), operations);
    sql.afterCommit(() => {
      if (after) writeMark(file, after);
    });
    return burned;
  });
}

function releasedSince(mark: HighWaterMark | undefined, operations: bigint | undefined): bigint {
  if (!mark) return 0n;
  if (operations === undefined || mark.operations === undefined || operations < mark.operations) {
    throw new RestoreError(
      'BURN_UNKNOWN',
      'the HSM cannot say how many keys it has released since this node saw the database last: say with --burn ' +
        'how many KSNs of each BDK may have been given out since then at most',
    );
  }
  return operations - mark.operations;
}

async function burnKsns(sql: Sql, burned: BurnedKsns[]): Promise<void> {
  await sql.query(
    'update bdk b set next_device = u.next from unnest($1::uuid[], $2::bigint[]) as u(id, next) where b.id = u.id',
    [burned.map(({ bdk }) => bdk), burned.map(({ nextDevice }) => nextDevice)],
  );
}
