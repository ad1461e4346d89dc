import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { defineCommand } from '../command.ts';
import { takeHex } from '../hex.ts';
import { hex, secretHex } from '../members.ts';
import { schemeMember } from './scheme.ts';

/** The initial key of a terminal. */
export const ik = defineCommand({
  name: 'dukpt ik',
  summary: 'Derives the initial key (IK, IPEK) of a terminal.',
  members: {
    scheme: schemeMember,
    bdk: secretHex('base derivation key'),
    ksn: hex('KSN at any counter: 10 bytes (tdes), 12 (aes), or the initial key id of 8 (aes)'),
  },
  run: ({ scheme, bdk, ksn }) => ({
    ik: takeHex(
      scheme === 'tdes' ? deriveTdesInitialKey(bdk, ksn) : deriveAesInitialKey(bdk, initialKeyIdOf(ksn)),
    ),
  }),
});

/** The first 8 bytes of a KSN of AES DUKPT, all that an initial key depends on. ANSI X9.24-3:2017, 6.3. */
function initialKeyIdOf(ksn: Uint8Array): Uint8Array {
  return ksn.length === 12 ? ksn.subarray(0, 8) : ksn;
}
