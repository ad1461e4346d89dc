import { randomBytes } from 'node:crypto';
import { requireBytes, Tr31Error } from './errors.ts';
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
 * Bytes of the key data that `packKeyData` makes for a key of `keyBytes`, worked out without the key. Throws
 * TR31_KEY_LENGTH and TR31_PADDING_LENGTH.
 */
export function keyDataBytes(
  keyBytes: number,
  unitBytes: number,
  maskedBytes: number,
  { padding, maskedKeyLength = maskedBytes }: PaddingOptions,
): number {
  if (keyBytes < 1 || keyBytes > mostKeyBytes) {
    throw new Tr31Error('TR31_KEY_LENGTH', `a key is 1 to ${mostKeyBytes} bytes, got ${keyBytes}`);
  }
  if (!(maskedKeyLength >= 0 && maskedKeyLength <= mostKeyBytes)) {
    const message = `a key is padded to at most ${mostKeyBytes} bytes, got ${maskedKeyLength}`;
    throw new Tr31Error('TR31_PADDING_LENGTH', message);
  }
  return paddedBytes(2 + keyBytes, 2 + Math.max(keyBytes, maskedKeyLength), unitBytes, padding);
}

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
  const data = filled(key, 2, keyDataBytes(key.length, unitBytes, maskedBytes, options), options);
  data[0] = (key.length * 8) >>> 8;
  data[1] = key.length * 8;
  return data;
}

/** `content` with padding up to a multiple of `unitBytes`. Throws TR31_PADDING_LENGTH. The caller wipes the result. */
export function padded(content: Uint8Array, unitBytes: number, options: PaddingOptions): Uint8Array {
  const bytes = paddedBytes(content.length, content.length, unitBytes, options.padding);
  return filled(content, 0, bytes, options);
}

/** Bytes of a content that ends at `end`, padded to `maskedEnd` and on to a whole unit, or by the given padding. */
function paddedBytes(
  end: number,
  maskedEnd: number,
  unitBytes: number,
  padding: Uint8Array | undefined,
): number {
  if (!padding) return Math.ceil(maskedEnd / unitBytes) * unitBytes;
  if ((end + padding.length) % unitBytes === 0) return end + padding.length;
  const message = `${end} bytes of content and ${padding.length} of padding are not a multiple of ${unitBytes}`;
  throw new Tr31Error('TR31_PADDING_LENGTH', message);
}

/** `content` behind `headBytes` zeros, and the padding. */
function filled(
  content: Uint8Array,
  headBytes: number,
  bytes: number,
  { padding, random = randomBytes }: PaddingOptions,
): Uint8Array {
  requireBytes(content, 'a key');
  const end = headBytes + content.length;
  const data = new Uint8Array(bytes);
  data.set(content, headBytes);
  data.set(padding ?? random(bytes - end), end);
  return data;
}

/** The key in authentic key data; undefined when the length field is zero, no whole bytes, or more than there are. */
export function unpackKeyData(plaintext: Uint8Array): Uint8Array | undefined {
  const bits = (plaintext[0]! << 8) | plaintext[1]!;
  if (bits === 0 || bits % 8 !== 0 || 2 + bits / 8 > plaintext.length) return undefined;
  return plaintext.slice(2, 2 + bits / 8);
}
