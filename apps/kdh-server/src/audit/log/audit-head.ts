import { createHash } from 'node:crypto';

/** The last record of an HSM's own log. */
export type AuditHead = {
  /** From 1, without a gap. */
  seq: number;
  /** SHA-256 of the record, hex in upper case; the next record holds it. */
  hash: string;
};

/**
 * The head of an HSM's log, found from `known`, an earlier head, by reading records farther and farther on, and then
 * nearer, so that a long log is not read as a whole. A log that has become shorter than `known` is searched from its start.
 * `undefined` for an empty log.
 */
export async function auditHead(
  records: (fromSeq: number) => Promise<string[]>,
  known: AuditHead | undefined,
): Promise<AuditHead | undefined> {
  let head: AuditHead | undefined;
  let start = known?.seq ?? 1;
  for (let step = 1; ; ) {
    const line = (await records(start + step - 1)).at(-1);
    if (line !== undefined) {
      head = headOf(line);
      start = head.seq + 1;
      step *= 2;
    } else if (step > 1) {
      step = Math.floor(step / 2);
    } else if (head === undefined && start > 1) {
      start = 1; // shorter than it was
    } else {
      return head;
    }
  }
}

function headOf(line: string): AuditHead {
  const { seq } = JSON.parse(line) as { seq: number };
  return { seq, hash: createHash('sha256').update(line, 'latin1').digest('hex').toUpperCase() };
}
