import { createCipheriv, createDecipheriv } from 'node:crypto';
import { SoftHsmError } from '../errors.ts';
import { nonceBytes, parseSealedLmk, type SealedLmk } from '../lmk/sealed-lmk.ts';
import type { Random } from '../random/random-source.ts';
import type { ConfigurationFile } from './configuration.ts';

const backupVersion = 1;
const tagBytes = 16;

/** What only the HSM itself can read in its backup. */
export interface BackupBody {
  /** Where the audit log stood. */
  head: { seq: number; hash: string; bootCounter: number; operations: number };
  /** A key block under the LMK and its check value: a restored LMK that opens it is the right one. */
  sentinel: string;
  sentinelCheckValue: string;
}

/**
 * A backup. Whoever takes it cannot read it: the LMK is sealed by the custodians' shares, each of which is sealed by its
 * custodian's passphrase, and the body by a key that comes with the LMK.
 */
export interface Backup {
  version: typeof backupVersion;
  sealedLmk: SealedLmk;
  configuration: ConfigurationFile;
  /** AES-256-GCM of the body, then the 16-byte tag; bytes as hex. */
  nonce: string;
  body: string;
}

export function formatBackup(
  sealedLmk: SealedLmk,
  configuration: ConfigurationFile,
  body: BackupBody,
  key: Uint8Array,
  random: Random,
): Buffer {
  const nonce = random(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(body)), cipher.final(), cipher.getAuthTag()]);
  const backup: Backup = {
    version: backupVersion,
    sealedLmk,
    configuration,
    nonce: hex(nonce),
    body: hex(sealed),
  };
  return Buffer.from(`${JSON.stringify(backup)}\n`);
}

/** Reads a backup's form. Throws SOFT_HSM_SEAL. */
export function parseBackup(contents: Uint8Array): Backup {
  try {
    const backup = JSON.parse(Buffer.from(contents).toString('utf8')) as Backup;
    parseSealedLmk(JSON.stringify(backup.sealedLmk));
    const { hsmId, officers, shares } = backup.configuration.configuration;
    const wellFormed =
      backup.version === backupVersion && typeof hsmId === 'string' && Array.isArray(officers);
    if (
      wellFormed &&
      Array.isArray(shares) &&
      typeof backup.nonce === 'string' &&
      typeof backup.body === 'string'
    )
      return backup;
  } catch {
    // falls through
  }
  throw new SoftHsmError('SOFT_HSM_SEAL', `not a backup of version ${backupVersion}`);
}

/** Throws SOFT_HSM_SEAL for a changed body, and for one of another HSM. */
export function openBody({ nonce, body }: Backup, key: Uint8Array): BackupBody {
  const sealed = Buffer.from(body, 'hex');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'hex'));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    const text = Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
    return JSON.parse(text.toString('utf8')) as BackupBody;
  } catch {
    throw new SoftHsmError('SOFT_HSM_SEAL', 'the backup does not open with the LMK that is in it');
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
