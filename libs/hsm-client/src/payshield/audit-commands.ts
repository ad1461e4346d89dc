/** The extensions by which the soft HSM lets its log be kept by others. None of them is on a payShield. */
import { HsmError } from '../errors.ts';
import { type Command, decimal, fields, requireRange } from './command.ts';

/**
 * ZC, operation count: Answer: the number of operations that have released a key, 20 digits.
 */
export function operationCount(): Command<bigint> {
  return {
    code: 'ZC',
    data: fields(),
    keys: [],
    repeatable: true,
    read(answer) {
      const count = BigInt(answer.text(20, 'operation count'));
      answer.end();
      return count;
    },
  };
}

/** ZL, fetch the audit log. Request: first sequence number 20N. Answer: records, each with its line feed. */
export function auditRecords(fromSeq: number): Command<string[]> {
  return {
    code: 'ZL',
    data: fields(sequenceNumber(fromSeq)),
    keys: [],
    repeatable: true,
    read(answer) {
      const lines = Buffer.from(answer.rest()).toString('latin1').split('\n');
      if (lines.pop() !== '') {
        throw new HsmError('HSM_BAD_ANSWER', 'ZM: expected whole records', { mayHaveExecuted: true });
      }
      return lines;
    },
  };
}

/** ZK, acknowledge the audit log. Request: the last sequence number that is kept, 20N. Answer: nothing. */
export function acknowledgeAuditRecords(upToSeq: number): Command<void> {
  return {
    code: 'ZK',
    data: fields(sequenceNumber(upToSeq)),
    keys: [],
    repeatable: true,
    read: (answer) => answer.end(),
  };
}

function sequenceNumber(seq: number): string {
  requireRange(seq, 0, Number.MAX_SAFE_INTEGER, 'sequence number');
  return decimal(seq, 20, 'sequence number');
}
