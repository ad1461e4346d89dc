import { readFileSync } from 'node:fs';
import { wipe } from '@openkdh/block-ciphers';
import type { DrillResult, Officer } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import { checkValueHex, keyAlgorithms } from '../keys/algorithms.ts';
import { openKeyBlock } from '../lmk/key-block.ts';
import { deriveKey } from '../lmk/key-derivation.ts';
import { aesLmkCheckValue, loadAesLmk } from '../lmk/lmk.ts';
import { type OpenedLmk, openLiveLmk, readSealedLmk, requireNewFolder } from '../lmk/open-lmk.ts';
import {
  formatSealedLmk,
  newLmkSecrets,
  nonceBytes,
  type SealedLmk,
  sealLmk,
  unsealLmk,
} from '../lmk/sealed-lmk.ts';
import { tamperCauses } from '../machine.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import type { Vault } from '../vault.ts';
import { type Backup, type BackupBody, openBody } from './backup.ts';
import {
  type Configuration,
  type ConfigurationFile,
  isAuthentic,
  macOf,
  type ShareAssignment,
  writeConfiguration,
} from './configuration.ts';
import type { SealedShare } from './sealed-share.ts';

/** What an HSM does with its sealing key when custodians have given it. Each function takes the key over. */

const hsmIdBytes = 16;

/** A new HSM: LMK, configuration, audit log. */
export async function beginHsm(
  vault: Vault,
  officers: Officer[],
  shares: SealedShare[],
  sealingKey: Buffer,
): Promise<void> {
  const { machine, folder } = vault;
  const opened = openLiveLmk(undefined, sealedByShares(shares), sealingKey, folder, machine.random);
  const configuration: Configuration = {
    version: 1,
    hsmId: machine.random(hsmIdBytes).toString('hex').toUpperCase(),
    officers,
    shares,
    shareHistory: assignments(shares, machine.now()),
    hosts: [],
    usedNonces: [],
  };
  const file = fileOf(configuration, opened.secrets.seed);
  writeConfiguration(folder.configuration, file);
  await vault.open(opened, file);
  await record(
    vault,
    'initialise',
    officers.map(({ name }) => name),
    `${shares.length} shares`,
  );
}

/**
 * Opens a locked HSM. The shares have a checksum, so the sealing key is right: a seal that does not open with it, a
 * changed configuration, a log that does not fit, all are tampering.
 */
export async function unlockHsm(vault: Vault, sealingKey: Buffer): Promise<void> {
  const { machine, folder, sealedLmk, configurationFile } = vault;
  if (sealedLmk === undefined) throw new SoftHsmError('SOFT_HSM_STATE', 'there is no sealed LMK');
  try {
    const old = readSealedLmk(folder.oldSealedLmk);
    const opened = openLiveLmk(sealedLmk, sealedLmk.by, sealingKey, folder, machine.random, old);
    await vault.open(opened, configurationFile);
  } catch (error) {
    const tampered =
      error instanceof SoftHsmError && ['SOFT_HSM_SEAL', 'SOFT_HSM_AUDIT'].includes(error.code);
    if (tampered) await vault.tamper(tamperCauses.general, error.message);
    throw error;
  }
  await record(vault, 'unlock', [], 'a quorum of custodians');
}

/** A new LMK; the one before stays beside it, for BW, until BS. The seed of the HSM's own keys stays. */
export async function changeLmk(vault: Vault, sealingKey: Buffer): Promise<void> {
  const { machine, folder } = vault;
  const sealed = vault.sealedLmk!;
  const { lmk: before, seed } = unsealLmk(sealed, sealingKey);
  const { lmk, seed: unused } = newLmkSecrets(machine.random);
  try {
    const label = { ...sealed, checkValue: aesLmkCheckValue(lmk) };
    writeFileAtomically(folder.oldSealedLmk, readFileSync(folder.sealedLmk));
    writeSealed(vault, sealLmk({ lmk, seed }, label, sealed.by, sealingKey, machine.random(nonceBytes)));
    const loaded = loadAesLmk(lmk, { id: sealed.lmkId, status: 'live', comment: '' });
    machine.lmks.change(loaded, () => vault.forgetOldLmk());
    machine.keys.clear(); // what was opened under the LMK before must not be found any more
    await record(vault, 'change-lmk', [], `check value ${label.checkValue}`);
  } finally {
    wipe(before, seed, lmk, unused, sealingKey);
  }
}

/** Seals the LMK with a new key, of which `shares` were taken; the old shares open nothing any more. */
export async function reseal(
  vault: Vault,
  oldKey: Buffer,
  newKey: Buffer,
  shares: SealedShare[],
): Promise<void> {
  const { machine } = vault;
  const dualControl = machine.dualControl!;
  const { shares: before, shareHistory } = dualControl.configuration;
  const sealed = vault.sealedLmk!;
  const secrets = unsealLmk(sealed, oldKey);
  try {
    // Both sets are on disk while the seal changes from one to the other: after a crash one of them opens it.
    const history = [...shareHistory, ...assignments(shares, machine.now())];
    dualControl.update({ shares: [...before, ...shares], shareHistory: history });
    writeSealed(vault, sealLmk(secrets, sealed, sealedByShares(shares), newKey, machine.random(nonceBytes)));
    dualControl.update({ shares });
    await record(
      vault,
      'reshare',
      shares.map(({ custodian }) => custodian),
      `${shares.length} shares`,
    );
  } finally {
    wipe(secrets.lmk, secrets.seed, oldKey, newKey);
  }
}

/** A share has changed hands; who had it before is still counted as knowing it. */
export async function reassign(vault: Vault, taken: SealedShare): Promise<void> {
  const { machine } = vault;
  const { shares, shareHistory } = machine.dualControl!.configuration;
  machine.dualControl!.update({
    shares: shares.map((share) => (share.setId === taken.setId && share.x === taken.x ? taken : share)),
    shareHistory: [...shareHistory, ...assignments([taken], machine.now())],
  });
  await record(vault, 'reassign-share', [taken.custodian], `share ${taken.x}`);
}

/**
 * Opens a backup and proves its LMK on the sentinel; a restore then makes it this HSM's. The counts go on from those of
 * the backup, so that an older backup shows: its counter is lower than the platform remembers.
 */
export async function restoreBackup(
  vault: Vault,
  sealingKey: Buffer,
  backup: Backup,
  act: 'restore' | 'drill',
): Promise<DrillResult | undefined> {
  const { machine, folder } = vault;
  const opened = openLiveLmk(backup.sealedLmk, backup.sealedLmk.by, sealingKey, folder, machine.random);
  let head: BackupBody['head'];
  try {
    head = proveBackup(backup, opened);
    if (act === 'restore') requireNewFolder(folder);
  } catch (error) {
    opened.discard();
    throw error;
  }
  const result = { lmkCheckValue: opened.lmk.checkValue, operations: head.operations };
  if (act === 'drill') {
    opened.discard();
    return result;
  }
  writeConfiguration(folder.configuration, backup.configuration);
  const bootCounter = Math.max(head.bootCounter, backup.sealedLmk.bootCounter);
  await vault.open(opened, backup.configuration, { bootCounter, operations: head.operations });
  await record(vault, 'restore', [], `predecessor: record ${head.seq}, ${head.hash}`);
  return undefined;
}

/** Where the log of the backed-up HSM stood. Throws SOFT_HSM_SEAL for a backup that was changed. */
function proveBackup(backup: Backup, { lmk, secrets }: OpenedLmk): BackupBody['head'] {
  const configurationKey = deriveKey(secrets.seed, 'configuration');
  const backupKey = deriveKey(secrets.seed, 'backup');
  try {
    if (!isAuthentic(backup.configuration, configurationKey)) {
      throw new SoftHsmError('SOFT_HSM_SEAL', 'the configuration in the backup was changed');
    }
    const { head, sentinel, sentinelCheckValue } = openBody(backup, backupKey);
    const { key } = openKeyBlock(lmk, sentinel);
    const proven = checkValueHex(keyAlgorithms.A1, key) === sentinelCheckValue;
    wipe(key);
    if (!proven) throw new SoftHsmError('SOFT_HSM_SEAL', 'the LMK in the backup does not open its sentinel');
    return head;
  } finally {
    wipe(configurationKey, backupKey);
  }
}

/** Notes a management act in the audit log. */
export async function record(
  vault: Vault,
  command: string,
  who: readonly string[],
  detail: string,
): Promise<void> {
  await vault.machine.auditTrail!.append({ event: 'management', command, detail, who });
}

function fileOf(configuration: Configuration, seed: Uint8Array): ConfigurationFile {
  const key = deriveKey(seed, 'configuration');
  try {
    return { configuration, mac: macOf(configuration, key) };
  } finally {
    wipe(key);
  }
}

function sealedByShares(shares: readonly SealedShare[]) {
  return { shares: { setId: shares[0]!.setId } };
}

function assignments(shares: readonly SealedShare[], now: Date): ShareAssignment[] {
  return shares.map(({ custodian, setId, x }) => ({ custodian, setId, x, time: now.toISOString() }));
}

function writeSealed({ folder }: Vault, sealed: SealedLmk): void {
  writeFileAtomically(folder.sealedLmk, formatSealedLmk(sealed));
}
