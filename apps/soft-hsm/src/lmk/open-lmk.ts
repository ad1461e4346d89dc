import { existsSync, readFileSync, statSync } from 'node:fs';
import { wipe } from '@openkdh/block-ciphers';
import { SoftHsmError } from '../errors.ts';
import type { ServeOptions } from '../options.ts';
import type { Random } from '../random/random-source.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import type { StateFolder } from '../state/state-folder.ts';
import { aesLmkCheckValue, type Lmk, loadAesLmk } from './lmk.ts';
import { readPassphrase } from './passphrase.ts';
import {
  formatSealedLmk,
  nonceBytes,
  parseSealedLmk,
  type SealedLmkLabel,
  saltBytes,
  sealingKeyFromPassphrase,
  sealLmk,
  unsealLmk,
} from './sealed-lmk.ts';
import { loadTestLmk, testLmkKeys } from './test-lmks.ts';

/** Id of the live LMK. */
const liveLmkId = '00';
const lmkBytes = 32;

/** The LMK of this start, and what the start still has to write. */
export interface OpenedLmk {
  lmk: Lmk;
  /** The LMK that BW translates from, if there is one. A test LMK is its own, so that public recordings can be replayed. */
  oldLmk: Lmk | undefined;
  /** The LMK itself, for keys to be derived from it until `close`. */
  key: Uint8Array;
  /** Number of the start that the sealed LMK was last written for; `undefined` with a test LMK, which is not sealed. */
  sealedBootCounter: number | undefined;
  /** Writes the sealed LMK for this start. */
  seal(bootCounter: number): void;
  /** Wipes LMK and sealing key; the loaded LMK stays. */
  close(): void;
}

/**
 * Opens the LMK that the options ask for. Without a sealed LMK in the folder, makes a live one from `random`; it is on
 * disk after the first `seal`. Throws SOFT_HSM_TEST_LIVE, SOFT_HSM_SEAL or SOFT_HSM_FILE.
 */
export async function openLmk(
  options: ServeOptions['lmk'],
  folder: StateFolder,
  random: Random,
): Promise<OpenedLmk> {
  if (options.from === 'test') {
    if (existsSync(folder.sealedLmk)) {
      throw new SoftHsmError(
        'SOFT_HSM_TEST_LIVE',
        `${folder.path} holds a live LMK; a test LMK needs its own folder`,
      );
    }
    return {
      lmk: loadTestLmk(options.algorithm),
      oldLmk: loadTestLmk(options.algorithm),
      key: testLmkKeys[options.algorithm],
      sealedBootCounter: undefined,
      seal() {},
      close() {},
    };
  }

  const sealed = existsSync(folder.sealedLmk)
    ? parseSealedLmk(readFileSync(folder.sealedLmk, 'utf8'))
    : undefined;
  if (sealed === undefined && (statSync(folder.auditLog, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw new SoftHsmError(
      'SOFT_HSM_TEST_LIVE',
      `${folder.path} has an audit log but no live LMK: it was another HSM's`,
    );
  }
  const salt = sealed ? Buffer.from(sealed.salt, 'hex') : random(saltBytes);
  const passphrase = readPassphrase(options.file);
  const sealingKey = await sealingKeyFromPassphrase(passphrase, salt);
  wipe(passphrase);
  const key = sealed ? unsealLmk(sealed, sealingKey) : random(lmkBytes);
  const id = sealed?.lmkId ?? liveLmkId;
  const checkValue = aesLmkCheckValue(key);
  return {
    key,
    lmk: loadAesLmk(key, { id, status: 'live', comment: '' }),
    oldLmk: undefined,
    sealedBootCounter: sealed?.bootCounter ?? 0,
    seal(bootCounter) {
      const label: SealedLmkLabel = { lmkId: id, status: 'live', checkValue, bootCounter };
      const file = sealLmk(key, label, sealingKey, salt, random(nonceBytes));
      writeFileAtomically(folder.sealedLmk, formatSealedLmk(file));
    },
    close: () => wipe(key, sealingKey),
  };
}
