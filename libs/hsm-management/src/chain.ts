import {
  type AuditLine,
  type AuditRecord,
  hashLine,
  noHash,
  parseRecord,
  signedPart,
} from './audit-record.ts';
import { verifyCheckpoint } from './checkpoint.ts';
import { HsmManagementError } from './errors.ts';

/** Where a log ends: what the next record has to continue. */
export interface ChainHead {
  seq: number;
  hash: string;
  operations: number;
  bootCounter: number;
  /** Up to which record the platform has acknowledged that it has them. */
  acknowledged: number;
  /** `seq` of the last checkpoint; 0 before the first. */
  checkpointSeq: number;
}

export const emptyChain: ChainHead = {
  seq: 0,
  hash: noHash,
  operations: 0,
  bootCounter: 0,
  acknowledged: 0,
  checkpointSeq: 0,
};

/**
 * The head after `line`. Throws HSM_LOG_BROKEN if the line does not continue `head`: edited, removed, inserted,
 * swapped, or a checkpoint that `checkpointKey` (32 bytes in hex) did not sign.
 */
export function continueChain(head: ChainHead, line: AuditLine, checkpointKey: string): ChainHead {
  const record = parseRecord(line);
  const refuse = (what: string) => {
    throw broken(`record ${head.seq + 1}: ${what}`);
  };
  if (record === undefined) return refuse('not a record in canonical form');
  if (record.seq !== head.seq + 1) return refuse(`sequence number ${record.seq} in its place`);
  if (record.prevHash !== head.hash) return refuse('does not continue the record before it');
  if (record.operations < head.operations) return refuse('the operation counter went down');
  const boots = record.bootCounter - head.bootCounter;
  if (record.event === 'boot' ? boots < 1 : boots !== 0) return refuse('the boot counter does not fit');
  if (record.event === 'checkpoint' && !signedBy(checkpointKey, record)) {
    return refuse('the checkpoint has a wrong signature');
  }
  return {
    seq: record.seq,
    hash: hashLine(line),
    operations: record.operations,
    bootCounter: record.bootCounter,
    acknowledged: acknowledgedBy(record) ?? head.acknowledged,
    checkpointSeq: record.event === 'checkpoint' ? record.seq : head.checkpointSeq,
  };
}

/**
 * Verifies a whole audit log from its first record. Throws HSM_LOG_BROKEN at the first record that was edited, removed,
 * inserted or swapped, or whose checkpoint `checkpointKey` (32 bytes in hex) did not sign. A log that was cut at its
 * end is a shorter log: compare the head with what was known before.
 */
export async function verifyAuditLog(
  lines: AsyncIterable<AuditLine> | Iterable<AuditLine>,
  checkpointKey: string,
): Promise<ChainHead> {
  let head = emptyChain;
  for await (const line of lines) head = continueChain(head, line, checkpointKey);
  return head;
}

/** The head before `line`, as the line itself states it: where a reader starts that does not read from the start. HSM_LOG_BROKEN. */
export function headBefore(line: AuditLine): ChainHead {
  const record = parseRecord(line);
  if (record === undefined) throw broken('a line that is not a record');
  const { seq, prevHash, operations, bootCounter } = record;
  return { ...emptyChain, seq: seq - 1, hash: prevHash, operations, bootCounter };
}

/** What a record says of how far the platform has the log. */
export function acknowledgedBy(record: AuditRecord): number | undefined {
  if (record.event === 'acknowledged') return record.upTo;
  return record.event === 'checkpoint' ? record.acknowledged : undefined;
}

function signedBy(checkpointKey: string, record: AuditRecord & { event: 'checkpoint' }): boolean {
  return verifyCheckpoint(checkpointKey, signedPart(record), record.signature);
}

function broken(what: string): HsmManagementError {
  return new HsmManagementError('HSM_LOG_BROKEN', `the audit log is broken: ${what}`);
}
