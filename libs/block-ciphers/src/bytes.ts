import { timingSafeEqual } from 'node:crypto';
import { BlockCipherError } from './errors.ts';

/**
 * Compares in a time that does not depend on the content; false when the lengths differ (a length is not a secret,
 * and node:crypto alone would throw).
 */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Fills buffers that the caller owns with zeros; `undefined` is let pass so that `finally` stays short. */
export function wipe(...buffers: (Uint8Array | undefined)[]): void {
  for (const buffer of buffers) buffer?.fill(0);
}

/** Bytewise exclusive or of two arrays of one length. */
export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length !== b.length) {
    throw new BlockCipherError('BLOCK_CIPHER_DATA_LENGTH', `xor of ${a.length} and ${b.length} bytes`);
  }
  const out = new Uint8Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! ^ b[i]!;
  return out;
}
