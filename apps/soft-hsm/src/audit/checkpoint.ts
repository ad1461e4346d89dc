import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** RFC 8410: PKCS#8 and SPKI of an Ed25519 key up to its 32 bytes. */
const pkcs8Prefix = Buffer.from('302E020100300506032B657004220420', 'hex');
const spkiPrefix = Buffer.from('302A300506032B6570032100', 'hex');

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
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    publicKey: spki.subarray(spkiPrefix.length).toString('hex').toUpperCase(),
    sign: (record) => sign(null, signedBytes(record), privateKey).toString('hex').toUpperCase(),
  };
}

/** `publicKey`: 32 bytes in hex; `signature`: 64 bytes in hex; `record`: as it was signed. */
export function verifyCheckpoint(publicKey: string, record: string, signature: string): boolean {
  const key = ed25519PublicKey(publicKey);
  return key !== undefined && verify(null, signedBytes(record), key, Buffer.from(signature, 'hex'));
}

/** An Ed25519 public key, 32 bytes in upper-case hex; `undefined` for anything else. */
export function ed25519PublicKey(publicKey: string): KeyObject | undefined {
  if (!/^[0-9A-F]{64}$/.test(publicKey)) return undefined;
  const key = Buffer.concat([spkiPrefix, Buffer.from(publicKey, 'hex')]);
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

/** A label, then the record: a signature of this key means nothing anywhere else. */
function signedBytes(record: string): Buffer {
  return Buffer.from(`openkdh soft-hsm audit checkpoint v1\n${record}\n`, 'latin1');
}
