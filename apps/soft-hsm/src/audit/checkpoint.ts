import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { checkpointBytes, ed25519Hex } from '@openkdh/hsm-management';

/** RFC 8410: PKCS#8 of an Ed25519 key up to its 32 bytes. */
const pkcs8Prefix = Buffer.from('302E020100300506032B657004220420', 'hex');

/** Signs the audit log from time to time, so that it cannot be rewritten by who holds the file. */
export interface CheckpointKey {
  /** 32 bytes, upper-case hex. */
  readonly publicKey: string;
  /** Ed25519 signature of 64 bytes, upper-case hex. `record`: the line of the checkpoint without its signature. */
  sign(record: string): string;
}

/** `seed`: 32 bytes, derived from the LMK; the caller wipes it. */
export function checkpointKeyFromSeed(seed: Uint8Array): CheckpointKey {
  const pkcs8 = Buffer.concat([pkcs8Prefix, seed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  pkcs8.fill(0);
  return {
    publicKey: ed25519Hex(createPublicKey(privateKey))!,
    sign: (record) => sign(null, checkpointBytes(record), privateKey).toString('hex').toUpperCase(),
  };
}
