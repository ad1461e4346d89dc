import { createHash } from 'node:crypto';

/** Where a copy of an HSM's log ends. */
export interface ChainEnd {
  /** Of the last record, from 1; 0 for an empty copy. */
  seq: number;
  /** SHA-256 of that record, hex in upper case; zeros for an empty copy. */
  hash: string;
}

export const emptyCopy: ChainEnd = { seq: 0, hash: '0'.repeat(64) };

/** What the HSM's log says next is not what follows in the copy. */
export class ChainBroken extends Error {
  readonly code = 'HSM_LOG_BROKEN';
}

/**
 * The end after more records, as the HSM wrote them: each has the number that follows, and in `prevHash` the hash of the one before
 * (docs/hsm.md, "The audit log"). Signed checkpoints in them are for whoever has the key that the HSM said when it was set up.
 * @throws ChainBroken
 */
export function continueCopy(end: ChainEnd, lines: readonly string[]): ChainEnd {
  let { seq, hash: prevHash } = end;
  for (const line of lines) {
    const record = recordOf(line);
    if (record?.['seq'] !== seq + 1)
      throw new ChainBroken(`expected record ${seq + 1}, got ${record?.['seq']}`);
    if (record['prevHash'] !== prevHash)
      throw new ChainBroken(`record ${seq + 1} does not continue the one before it`);
    seq += 1;
    prevHash = hashOf(line);
  }
  return { seq, hash: prevHash };
}

/** Hex in upper case. */
export function hashOf(line: string): string {
  return createHash('sha256').update(line, 'latin1').digest('hex').toUpperCase();
}

/** Whether there is more in these records than that earlier ones were acknowledged: else each acknowledgement brought the next. */
export function areWorthAcknowledging(lines: readonly string[]): boolean {
  return lines.some((line) => recordOf(line)?.['event'] !== 'acknowledged');
}

function recordOf(line: string): Record<string, unknown> | undefined {
  try {
    const record: unknown = JSON.parse(line);
    return typeof record === 'object' && record !== null ? (record as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
