import { BlockCipherError } from './errors.ts';

/**
 * Compares in a time that does not depend on the content, as far as JavaScript can promise it: whole bytes, no branch
 * on them. False when the lengths differ, which are no secret. Not node:crypto's timingSafeEqual: that makes V8 move
 * short arrays off its heap first, which costs more than the MAC that is compared.
 */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
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
