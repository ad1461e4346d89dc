import { nextAesKsn, nextTdesKsn } from '@openkdh/dukpt';
import { defineCommand } from '../command.ts';
import { upperHex } from '../hex.ts';
import { hex } from '../members.ts';
import { schemeMember } from './scheme.ts';

/** The KSN of the transaction after a KSN. */
export const next = defineCommand({
  name: 'dukpt next',
  summary: 'The KSN of the next transaction: skips counters with too many one-bits, ends after the last one.',
  members: { scheme: schemeMember, ksn: hex('KSN: 10 bytes (tdes), 12 (aes)') },
  positional: 'ksn',
  run: ({ scheme, ksn }) => ({ ksn: upperHex(scheme === 'tdes' ? nextTdesKsn(ksn) : nextAesKsn(ksn)) }),
});
