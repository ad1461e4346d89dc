import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** RFC 8410: PKCS#8 and SPKI of an Ed25519 key up to its 32 bytes. */
const pkcs8Prefix = Buffer.from('302E020100300506032B657004220420', 'hex');
const spkiPrefix = Buffer.from('302A300506032B6570032100', 'hex');

/** Signs the head of the audit log from time to time, so that it cannot be rewritten by who holds the file. */
export interface CheckpointKey {
  /** 32 bytes, upper-case hex. */
  readonly publicKey: string;
  /** Ed25519 signature over `checkpointBytes`, upper-case hex. */
  sign(seq: number, prevHash: string): string;
}

/** `seed`: 32 bytes, derived from the LMK; the caller wipes it. */
export function checkpointKeyFromSeed(seed: Uint8Array): CheckpointKey {
  const pkcs8 = Buffer.concat([pkcs8Prefix, seed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  pkcs8.fill(0);
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    publicKey: spki.subarray(spkiPrefix.length).toString('hex').toUpperCase(),
    sign: (seq, prevHash) =>
      sign(null, checkpointBytes(seq, prevHash), privateKey).toString('hex').toUpperCase(),
  };
}

/** `publicKey`: 32 bytes in hex; `signature`: 64 bytes in hex. */
export function verifyCheckpoint(
  publicKey: string,
  seq: number,
  prevHash: string,
  signature: string,
): boolean {
  const key = ed25519PublicKey(publicKey);
  return (
    key !== undefined && verify(null, checkpointBytes(seq, prevHash), key, Buffer.from(signature, 'hex'))
  );
}

function ed25519PublicKey(publicKey: string): KeyObject | undefined {
  if (!/^[0-9A-F]{64}$/.test(publicKey)) return undefined;
  const key = Buffer.concat([spkiPrefix, Buffer.from(publicKey, 'hex')]);
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

/** The signed bytes: a label, the sequence number of the checkpoint, the hash of the line before it. */
function checkpointBytes(seq: number, prevHash: string): Buffer {
  return Buffer.from(`openkdh soft-hsm audit checkpoint v1\n${seq}\n${prevHash}\n`, 'latin1');
}
