/** Private keys in this process: for tests, simulators and tools. A production KDH has its key in an HSM. */
import { type KeyObject, sign } from 'node:crypto';
import { decryptContentKey } from './envelope.ts';
import type { KeyDecryptor } from './krd.ts';
import type { TokenSigner } from './signing.ts';

/** Signs with a private key in memory. `certificate`: DER. */
export function localSigner(certificate: Uint8Array, privateKey: KeyObject): TokenSigner {
  return { certificate, sign: async (data) => sign('sha256', data, privateKey) };
}

/** Decrypts with a private key in memory. */
export function localDecryptor(privateKey: KeyObject): KeyDecryptor {
  return { decrypt: async (encryptedKey) => decryptContentKey(encryptedKey, privateKey) };
}
