import { Refusal } from '../answer-codes.ts';
import { answer, type Command } from './command.ts';

/** Extensions for the platform that keeps this HSM's log: none of them is on a payShield. */

const seqDigits = 20;

/** Leaves room for the rest of the answer in the I/O buffer. */
const mostBytes = 30_000;

/** ZL: records of the audit log. `ZL` first sequence number[20N]. Answer: lines, each with its line feed; none at the end. */
export const zl: Command = {
  name: 'fetch the audit log',
  kind: 'status',
  prepare(fields) {
    const fromSeq = fields.number(seqDigits, 'sequence number');
    return async ({ hsm }) => {
      if (hsm.auditTrail === undefined) throw new Refusal('13', 'the audit log is not open');
      const lines = await hsm.auditTrail.records.read(fromSeq, mostBytes);
      return answer(lines.map((line) => `${line}\n`).join(''));
    };
  },
};

/**
 * ZK: the platform has all records up to this one. `ZK` sequence number[20N]. 15: there is no such record yet.
 * With a limit set, an HSM whose records are not acknowledged refuses commands that use keys.
 */
export const zk: Command = {
  name: 'acknowledge the audit log',
  kind: 'status',
  prepare(fields) {
    const upTo = fields.number(seqDigits, 'sequence number');
    return async ({ hsm }) => {
      if (hsm.auditTrail === undefined) throw new Refusal('13', 'the audit log is not open');
      if (upTo > hsm.auditTrail.head.seq)
        throw new Refusal('15', `sequence number: ${upTo} is not written yet`);
      await hsm.auditTrail.append({ event: 'acknowledged', upTo });
      return answer();
    };
  },
};
