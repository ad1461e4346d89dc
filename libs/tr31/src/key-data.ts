import { randomBytes } from 'node:crypto';
import { Tr31Error } from './errors.ts';
import type { Random } from './optional-blocks.ts';

export interface PaddingOptions {
  /** Bytes after the key inside the encrypted data; they must fill the last cipher block. Default: random. */
  padding?: Uint8Array;
  /** Length in bytes that the key is padded to, at least. Default: the longest of its algorithm. */
  maskedKeyLength?: number;
  /** Source of the padding and of the filler of block PB. Default: `randomBytes` of node:crypto. */
  random?: Random;
}

const mostKeyBytes = 0xffff >>> 3; // the length field counts bits in two bytes

/**
 * Clear key data: length in bits[2] ‖ key ‖ padding, a multiple of `unitBytes`; the key is padded to `maskedBytes`
 * unless the options say otherwise. X9.143:2021, 6.1; Thales blocks hold the same. Throws TR31_KEY_LENGTH and
 * TR31_PADDING_LENGTH. The caller wipes the result.
 */
export function packKeyData(
  key: Uint8Array,
  unitBytes: number,
  maskedBytes: number,
  options: PaddingOptions,
): Uint8Array {
  if (key.length < 1 || key.length > mostKeyBytes) {
    throw new Tr31Error('TR31_KEY_LENGTH', `a key is 1 to ${mostKeyBytes} bytes, got ${key.length}`);
  }
  const masked = Math.max(key.length, options.maskedKeyLength ?? maskedBytes);
  const data = padded(key, 2, masked, unitBytes, options);
  data[0] = (key.length * 8) >>> 8;
  data[1] = key.length * 8;
  return data;
}

/**
 * `content` behind `headBytes` zeros, then padding up to `maskedBytes` and on to a multiple of `unitBytes`. Throws
 * TR31_PADDING_LENGTH. The caller wipes the result.
 */
export function padded(
  content: Uint8Array,
  headBytes: number,
  maskedBytes: number,
  unitBytes: number,
  { padding, random = randomBytes }: PaddingOptions,
): Uint8Array {
  const contentEnd = headBytes + content.length;
  const full = Math.ceil((headBytes + maskedBytes) / unitBytes) * unitBytes;
  const filling = padding ?? random(full - contentEnd);
  if ((contentEnd + filling.length) % unitBytes !== 0) {
    const message = `${contentEnd} bytes of content and ${filling.length} of padding are not a multiple of ${unitBytes}`;
    throw new Tr31Error('TR31_PADDING_LENGTH', message);
  }
  const data = new Uint8Array(contentEnd + filling.length);
  data.set(content, headBytes);
  data.set(filling, contentEnd);
  return data;
}

/** The key in authentic key data; undefined when the length field is zero, no whole bytes, or more than there are. */
export function unpackKeyData(plaintext: Uint8Array): Uint8Array | undefined {
  const bits = (plaintext[0]! << 8) | plaintext[1]!;
  if (bits === 0 || bits % 8 !== 0 || 2 + bits / 8 > plaintext.length) return undefined;
  return plaintext.slice(2, 2 + bits / 8);
}
