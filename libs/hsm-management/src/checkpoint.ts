import { verify } from 'node:crypto';
import { ed25519PublicKey } from './ed25519.ts';

/**
 * What the HSM signs from time to time, so that its audit log cannot be rewritten by who holds the file: a label, then
 * the record. A signature of this key means nothing anywhere else. `record`: the line of the checkpoint without its
 * signature.
 */
export function checkpointBytes(record: string): Buffer {
  return Buffer.from(`openkdh soft-hsm audit checkpoint v1\n${record}\n`, 'latin1');
}

/** `publicKey`: 32 bytes in hex; `signature`: 64 bytes in hex; `record`: as it was signed. */
export function verifyCheckpoint(publicKey: string, record: string, signature: string): boolean {
  const key = ed25519PublicKey(publicKey);
  return key !== undefined && verify(null, checkpointBytes(record), key, Buffer.from(signature, 'hex'));
}
