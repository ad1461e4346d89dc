import { AesDukptRegisters, type DukptRegisters, TdesDukptRegisters } from '@openkdh/dukpt';
import { defineCommand } from '../command.ts';
import { takeHex, upperHex } from '../hex.ts';
import { count, hex, secretHex } from '../members.ts';
import { schemeMember } from './scheme.ts';

/** As many as a terminal of TDES DUKPT has; one of AES DUKPT has 2448023842, which no answer could hold. */
const mostTransactions = 1_048_575;

/** The transaction keys of a terminal, from its future key registers. */
export const state = defineCommand({
  name: 'dukpt state',
  summary: 'The first transaction keys of a terminal, as its future key registers give them.',
  members: {
    scheme: schemeMember,
    ik: secretHex('initial key (IK, IPEK)'),
    ksn: hex('initial KSN, counter 0: 10 bytes (tdes), 12 (aes)'),
    transactions: count('how many', mostTransactions),
  },
  run: ({ scheme, ik, ksn, transactions }) => {
    const registers = scheme === 'tdes' ? TdesDukptRegisters.load(ik, ksn) : AesDukptRegisters.load(ik, ksn);
    try {
      return { keys: Array.from({ length: transactions }, () => nextKey(registers)) };
    } finally {
      registers.wipe();
    }
  },
});

function nextKey(registers: DukptRegisters): { ksn: string; key: string } {
  const { ksn, key } = registers.next();
  return { ksn: upperHex(ksn), key: takeHex(key) };
}
