import { wipe } from '@openkdh/block-ciphers';
import {
  type AesKeyUsage,
  DukptError,
  deriveAesTransactionKeyFromBdk,
  deriveAesWorkingKey,
  deriveTdesInitialKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  parseTdesKsn,
  type TdesKeyUsage,
} from '@openkdh/dukpt';
import { Refusal } from '../answer-codes.ts';
import { algorithmAt } from '../lmk/key-block.ts';
import type { WorkingKey } from '../lmk/key-cache.ts';
import type { FieldReader } from '../wire/fields.ts';

/** What a transaction key of a terminal is used for, in the words of both algorithms. */
export interface DukptUse {
  tdes: TdesKeyUsage;
  aes: AesKeyUsage;
}

/**
 * KSN descriptor[3H] and the KSN with its counter: 20H for a TDES BDK, 24H for an AES one. The descriptor says how
 * long the parts of a TDES KSN are; the KSN is taken by its length, whatever it says.
 */
export function readKsn(fields: FieldReader, bdkBlock: string): Buffer {
  fields.hex(3, 'KSN descriptor');
  return Buffer.from(fields.hex(bdkBlock.charAt(algorithmAt) === 'A' ? 24 : 20, 'KSN'), 'hex');
}

/** The working key of one transaction. The caller wipes it. Refuses with 15 a KSN that no terminal uses. */
export function deriveDukptKey(bdk: WorkingKey, ksn: Uint8Array, use: DukptUse): Uint8Array {
  const transactionKey = transactionKeyOf(bdk, ksn);
  try {
    if (bdk.algorithm.letter === 'T') return deriveTdesWorkingKey(transactionKey, use.tdes);
    return deriveAesWorkingKey(
      transactionKey,
      ksn,
      use.aes,
      aesTypes[bdk.algorithm.keyBytes as 16 | 24 | 32],
    );
  } catch (error) {
    throw refusalOf(error);
  } finally {
    wipe(transactionKey);
  }
}

const aesTypes = { 16: 'AES128', 24: 'AES192', 32: 'AES256' } as const;

/** Counter 0 names the initial key itself: no terminal uses it, but the public recordings of GW do. */
function transactionKeyOf(bdk: WorkingKey, ksn: Uint8Array): Uint8Array {
  try {
    if (bdk.algorithm.letter === 'A') return deriveAesTransactionKeyFromBdk(bdk.key, ksn);
    if (parseTdesKsn(ksn).counter === 0) return deriveTdesInitialKey(bdk.key, ksn);
    return deriveTdesTransactionKeyFromBdk(bdk.key, ksn);
  } catch (error) {
    throw refusalOf(error);
  }
}

function refusalOf(error: unknown): unknown {
  return error instanceof DukptError ? new Refusal('15', error.message) : error;
}
