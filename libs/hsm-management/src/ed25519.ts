import { createPublicKey, type KeyObject } from 'node:crypto';

/** RFC 8410: SPKI of an Ed25519 key up to its 32 bytes. */
const spkiPrefix = Buffer.from('302A300506032B6570032100', 'hex');

/** An Ed25519 public key, 32 bytes in upper-case hex; `undefined` for anything else. */
export function ed25519PublicKey(publicKey: string): KeyObject | undefined {
  if (!/^[0-9A-F]{64}$/.test(publicKey)) return undefined;
  const key = Buffer.concat([spkiPrefix, Buffer.from(publicKey, 'hex')]);
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

/** The 32 bytes of an Ed25519 public key in upper-case hex; `undefined` for a key of another kind. */
export function ed25519Hex(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType !== 'ed25519') return undefined;
  const spki = key.export({ format: 'der', type: 'spki' });
  return spki.subarray(spkiPrefix.length).toString('hex').toUpperCase();
}
