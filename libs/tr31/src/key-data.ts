import { randomBytes } from 'node:crypto';
import { Tr31Error } from './errors.ts';

/** Source of random bytes. */
export type Random = (bytes: number) => Uint8Array;

export interface PaddingOptions {
  /** Bytes after the key inside the encrypted data; they must fill the last cipher block. Default: random. */
  padding?: Uint8Array;
  /** Length in bytes that the key is padded to, at least. */
  maskedKeyLength?: number;
  /** Source of the padding. Default: `randomBytes` of node:crypto. */
  random?: Random;
}

const mostKeyBytes = 0xffff >>> 3; // the length field counts bits in two bytes

/**
 * Clear key data: length in bits[2] ‖ key ‖ padding, a multiple of `unitBytes`. X9.143:2021, 6.1; Thales blocks hold
 * the same. Throws TR31_KEY_LENGTH and TR31_PADDING_LENGTH. The caller wipes the result.
 */
export function packKeyData(key: Uint8Array, unitBytes: number, options: PaddingOptions): Uint8Array {
  if (key.length < 1 || key.length > mostKeyBytes) {
    throw new Tr31Error('TR31_KEY_LENGTH', `a key is 1 to ${mostKeyBytes} bytes, got ${key.length}`);
  }
  const lengthInBits = Uint8Array.of((key.length * 8) >>> 8, key.length * 8);
  return padded([lengthInBits, key], unitBytes, options);
}

/** The concatenation of `parts`, padded to a multiple of `unitBytes`. */
export function padded(parts: Uint8Array[], unitBytes: number, options: PaddingOptions): Uint8Array {
  const { random = randomBytes, maskedKeyLength = 0 } = options;
  const content = parts.reduce((sum, part) => sum + part.length, 0);
  const full = Math.ceil(Math.max(content, 2 + maskedKeyLength) / unitBytes) * unitBytes;
  const padding = options.padding ?? random(full - content);
  if ((content + padding.length) % unitBytes !== 0) {
    const message = `${content} bytes of content and ${padding.length} of padding are not a multiple of ${unitBytes}`;
    throw new Tr31Error('TR31_PADDING_LENGTH', message);
  }
  const out = new Uint8Array(content + padding.length);
  let at = 0;
  for (const part of [...parts, padding]) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The key in authentic key data; undefined when the length field is zero, no whole bytes, or more than there are. */
export function unpackKeyData(plaintext: Uint8Array): Uint8Array | undefined {
  const bits = (plaintext[0]! << 8) | plaintext[1]!;
  if (bits === 0 || bits % 8 !== 0 || 2 + bits / 8 > plaintext.length) return undefined;
  return plaintext.slice(2, 2 + bits / 8);
}
