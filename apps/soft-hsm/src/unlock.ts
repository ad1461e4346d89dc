import { wipe } from '@openkdh/block-ciphers';
import { AuditLog } from './audit/audit-log.ts';
import { checkpointKeyFromSeed } from './audit/checkpoint.ts';
import { SoftHsmError } from './errors.ts';
import { firmware } from './firmware.ts';
import { deriveFromLmk } from './lmk/key-derivation.ts';
import { openLmk } from './lmk/open-lmk.ts';
import type { Machine } from './machine.ts';
import type { ServeOptions } from './options.ts';
import type { StateFolder } from './state/state-folder.ts';

/** What an unlocked HSM has to give back when it stops. */
export interface Unlocked {
  auditLog: AuditLog;
  /** Public key of the audit log's checkpoints, 32 bytes in hex. */
  checkpointKey: string;
}

/**
 * Opens LMK and audit log, begins this start in the log, and makes the machine operational.
 *
 * The sealed LMK and the log count the starts together, the sealed LMK first: it may be one ahead after a crash
 * between the two writes; anything else means that one of them was rolled back, and is refused with SOFT_HSM_AUDIT.
 */
export async function unlock(
  machine: Machine,
  options: ServeOptions['lmk'],
  folder: StateFolder,
): Promise<Unlocked> {
  const opened = await openLmk(options, folder, machine.random);
  const { lmk, oldLmk, key, sealedBootCounter } = opened;
  try {
    const checkpointKey = checkpointKeyOf(key);
    const auditLog = await AuditLog.open(folder.auditLog, checkpointKey, machine.now);
    const logged = auditLog.head.bootCounter;
    if (sealedBootCounter !== undefined && sealedBootCounter !== logged && sealedBootCounter !== logged + 1) {
      throw new SoftHsmError(
        'SOFT_HSM_AUDIT',
        `the audit log ends in start ${logged}, the sealed LMK is of start ${sealedBootCounter}: one was rolled back`,
      );
    }
    if (sealedBootCounter !== logged + 1) opened.seal(logged + 1);
    await auditLog.start({
      event: 'boot',
      checkpointKey: checkpointKey.publicKey,
      firmware,
      lmkCheckValue: lmk.checkValue,
      lmkId: lmk.id,
      lmkStatus: lmk.status,
    });
    machine.becomeOperational(lmk, auditLog);
    if (oldLmk) machine.lmks.loadOld(oldLmk);
    return { auditLog, checkpointKey: checkpointKey.publicKey };
  } finally {
    opened.close();
  }
}

function checkpointKeyOf(lmk: Uint8Array) {
  const seed = deriveFromLmk(lmk, 'audit log checkpoint key');
  try {
    return checkpointKeyFromSeed(seed);
  } finally {
    wipe(seed);
  }
}
