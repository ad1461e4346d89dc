import { lmkHandle } from '@openkdh/tr31/thales';
import { type Lmk, loadAesLmk } from './lmk.ts';

/**
 * The public test LMKs, for tests, demonstrations and replays of public recordings; a block under one of them protects
 * nothing. Source: rkbalgi/libiso `hsm/keyblock/test_key_block_lmk.go` (Apache-2.0).
 */
export const testLmkKeys = {
  AES: Uint8Array.from(
    Buffer.from('9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A', 'hex'),
  ),
  TDES: Uint8Array.from(Buffer.from('0123456789ABCDEF8080808080808080FEDCBA9876543210', 'hex')),
} as const;

/** Id of the test LMK in the public recordings. */
const id = '01';

/** One of the public test LMKs as LMK 01. */
export function loadTestLmk(algorithm: keyof typeof testLmkKeys): Lmk {
  const key = testLmkKeys[algorithm];
  if (algorithm === 'AES') return loadAesLmk(key, { id, status: 'test', comment: 'public AES test LMK' });
  return {
    id,
    status: 'test',
    algorithm: 'TDES-3',
    thalesVersion: '0',
    strengthBits: 112,
    comment: 'public 3DES test LMK',
    checkValue: '165126', // as published; how it is made could not be found out
    handle: lmkHandle(key),
  };
}
