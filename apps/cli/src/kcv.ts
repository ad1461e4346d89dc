import { kcvAes, kcvTdes } from '@openkdh/block-ciphers';
import { defineCommand } from './command.ts';
import { upperHex } from './hex.ts';
import { choice, count, optional, secretHex } from './members.ts';

/** The check value of a key. X9.24-1:2017, annex A. */
export const kcv = defineCommand({
  name: 'kcv',
  summary: 'The check value of a key: the encrypted zero block of TDES, the CMAC of AES.',
  members: {
    algorithm: choice('of the key', ['tdes', 'aes']),
    key: secretHex('the key'),
    bytes: optional(count('length of the check value (3 for tdes, 5 for aes, the longest)', 5)),
  },
  run: ({ algorithm, key, bytes }) =>
    algorithm === 'tdes'
      ? { kcv: upperHex(kcvTdes(key, bytes ?? 3)), method: 'legacy' }
      : { kcv: upperHex(kcvAes(key, bytes ?? 5)), method: 'CMAC' },
});
