import { existsSync, readFileSync } from 'node:fs';
import { wipe } from '@openkdh/block-ciphers';
import { hasRecords } from '../audit/read.ts';
import { SoftHsmError } from '../errors.ts';
import type { Random } from '../random/random-source.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import type { StateFolder } from '../state/state-folder.ts';
import { deriveKey } from './key-derivation.ts';
import { type Lmk, loadAesLmk } from './lmk.ts';
import { readPassphrase } from './passphrase.ts';
import {
  formatSealedLmk,
  type LmkSecrets,
  newLmkSecrets,
  nonceBytes,
  parseSealedLmk,
  type SealedBy,
  type SealedLmk,
  type SealedLmkLabel,
  saltBytes,
  sealingKeyFromPassphrase,
  sealLmk,
  unsealLmk,
} from './sealed-lmk.ts';
import { loadTestLmk, testLmkKeys } from './test-lmks.ts';

/** Id of the live LMK. */
const liveLmkId = '00';

/** A start of the HSM, as the sealed LMK knows it. */
export type Start = Pick<SealedLmkLabel, 'bootCounter' | 'logged'>;

/** The LMK of this start, and what the start still has to write. */
export interface OpenedLmk {
  lmk: Lmk;
  /** The LMK that BW translates from, if there is one. A test LMK is its own, so that public recordings can be replayed. */
  oldLmk: Lmk | undefined;
  /** For keys to be derived from it until `close`. */
  secrets: LmkSecrets;
  /** The start that the sealed LMK was last written for; `undefined` with a test LMK, which is not sealed. */
  sealedStart: Start | undefined;
  /** Writes the sealed LMK for a start. */
  seal(start: Start): void;
  /** Wipes the secrets and the sealing key; the loaded LMKs stay. */
  close(): void;
  /** Wipes the LMKs too: they are not to be used. */
  discard(): void;
}

/** The sealed LMK in the folder, if there is one. Throws SOFT_HSM_SEAL. */
export function readSealedLmk(path: string): SealedLmk | undefined {
  return existsSync(path) ? parseSealedLmk(readFileSync(path, 'utf8')) : undefined;
}

/** A public test LMK. Throws SOFT_HSM_TEST_LIVE in a folder that holds a live one. */
export function openTestLmk(algorithm: keyof typeof testLmkKeys, folder: StateFolder): OpenedLmk {
  if (existsSync(folder.sealedLmk)) {
    throw new SoftHsmError(
      'SOFT_HSM_TEST_LIVE',
      `${folder.path} holds a live LMK; a test LMK needs its own folder`,
    );
  }
  const key = testLmkKeys[algorithm];
  return {
    lmk: loadTestLmk(algorithm),
    oldLmk: loadTestLmk(algorithm),
    secrets: { lmk: key, seed: deriveKey(key, 'seed of a test LMK') },
    sealedStart: undefined,
    seal() {},
    close() {},
    discard() {},
  };
}

/**
 * The live LMK under a passphrase. Without a sealed LMK in the folder, makes one; it is on disk after the first `seal`.
 * Throws SOFT_HSM_TEST_LIVE, SOFT_HSM_SEAL or SOFT_HSM_FILE.
 */
export async function openPassphraseLmk(
  file: string,
  folder: StateFolder,
  random: Random,
): Promise<OpenedLmk> {
  const sealed = readSealedLmk(folder.sealedLmk);
  if (sealed === undefined) requireNewFolder(folder);
  if (sealed && !('passphrase' in sealed.by)) {
    throw new SoftHsmError('SOFT_HSM_SEAL', 'the LMK is shared among custodians: start with --dual-control');
  }
  const salt =
    sealed && 'passphrase' in sealed.by
      ? sealed.by.passphrase.salt
      : random(saltBytes).toString('hex').toUpperCase();
  const passphrase = readPassphrase(file);
  const sealingKey = await sealingKeyFromPassphrase(passphrase, Buffer.from(salt, 'hex'));
  wipe(passphrase);
  return openLiveLmk(sealed, { passphrase: { salt } }, sealingKey, folder, random);
}

/**
 * The live LMK under a sealing key, or a new one; `old`: the one before it, if keys are still translated from it. Takes
 * the sealing key over. Throws SOFT_HSM_SEAL.
 */
export function openLiveLmk(
  sealed: SealedLmk | undefined,
  by: SealedBy,
  sealingKey: Uint8Array,
  folder: StateFolder,
  random: Random,
  old?: SealedLmk,
): OpenedLmk {
  try {
    const secrets = sealed ? unsealLmk(sealed, sealingKey) : newLmkSecrets(random);
    const id = sealed?.lmkId ?? liveLmkId;
    const lmk = loadAesLmk(secrets.lmk, { id, status: 'live', comment: '' });
    const oldLmk = old && openOldLmk(old, sealingKey);
    const close = () => wipe(secrets.lmk, secrets.seed, sealingKey);
    return {
      secrets,
      lmk,
      oldLmk,
      sealedStart: sealed ?? { bootCounter: 0, logged: true },
      seal({ bootCounter, logged }) {
        const label = { lmkId: id, status: 'live', checkValue: lmk.checkValue, bootCounter, logged } as const;
        const file = sealLmk(secrets, label, by, sealingKey, random(nonceBytes));
        writeFileAtomically(folder.sealedLmk, formatSealedLmk(file));
      },
      close,
      discard() {
        close();
        lmk.handle.dispose();
        oldLmk?.handle.dispose();
      },
    };
  } catch (error) {
    wipe(sealingKey);
    throw error;
  }
}

function openOldLmk(old: SealedLmk, sealingKey: Uint8Array): Lmk {
  const { lmk, seed } = unsealLmk(old, sealingKey);
  try {
    return loadAesLmk(lmk, { id: old.lmkId, status: 'live', comment: '' });
  } finally {
    wipe(lmk, seed);
  }
}

/** Refuses a folder that was another HSM's: its audit log could not be continued. */
export function requireNewFolder(folder: StateFolder): void {
  if (hasRecords(folder.auditLog)) {
    throw new SoftHsmError(
      'SOFT_HSM_TEST_LIVE',
      `${folder.path} has an audit log but no live LMK: it was another HSM's`,
    );
  }
}
