import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SoftHsmError } from '../errors.ts';

/** The files of one soft HSM, all in one folder of mode 0700. */
export interface StateFolder {
  readonly path: string;
  /** The live LMK under its sealing key. */
  readonly sealedLmk: string;
  /** The LMK before the last change, until BS. */
  readonly oldSealedLmk: string;
  /** Officers, custodians and hosts of an HSM under dual control. */
  readonly configuration: string;
  /** Why and when the HSM has erased itself. */
  readonly tampering: string;
  /** The HSM's own chained log. */
  readonly auditLog: string;
  /** Whoever listens here is the one process that uses the folder. */
  readonly managementSocket: string;
}

/** Makes the folder if it is missing, and refuses one that others can enter. */
export function openStateFolder(path: string): StateFolder {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  requirePrivateFolder(path);
  return {
    path,
    sealedLmk: join(path, 'lmk.sealed'),
    oldSealedLmk: join(path, 'lmk-old.sealed'),
    configuration: join(path, 'configuration.json'),
    tampering: join(path, 'tampering.json'),
    auditLog: join(path, 'audit.log'),
    managementSocket: join(path, 'management.sock'),
  };
}

/** Refuses a folder that is not the caller's own with mode 0700 or stricter. */
export function requirePrivateFolder(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) {
    throw new SoftHsmError('SOFT_HSM_FILE', `${path} is not a folder`);
  }
  const uid = process.getuid?.();
  if ((uid !== undefined && stat.uid !== uid) || (stat.mode & 0o077) !== 0) {
    throw new SoftHsmError(
      'SOFT_HSM_FILE',
      `${path} must belong to this user with mode 0700; it has mode 0${(stat.mode & 0o777).toString(8)}`,
    );
  }
}
