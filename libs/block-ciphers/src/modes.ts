import type { BlockCipher } from './block-cipher.ts';
import { BlockCipherError } from './errors.ts';

/** ECB, NIST SP 800-38A, 6.1. `data`: whole blocks. */
export function ecbEncrypt(cipher: BlockCipher, data: Uint8Array): Uint8Array {
  requireWholeBlocks(cipher, data);
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += cipher.blockBytes) cipher.encryptBlock(data, at, out, at);
  return out;
}

/** ECB, NIST SP 800-38A, 6.1. `data`: whole blocks. */
export function ecbDecrypt(cipher: BlockCipher, data: Uint8Array): Uint8Array {
  requireWholeBlocks(cipher, data);
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += cipher.blockBytes) cipher.decryptBlock(data, at, out, at);
  return out;
}

/** CBC without padding, NIST SP 800-38A, 6.2. `iv`: one block. `data`: whole blocks. */
export function cbcEncrypt(cipher: BlockCipher, iv: Uint8Array, data: Uint8Array): Uint8Array {
  requireOneBlock(cipher, iv, 'IV');
  requireWholeBlocks(cipher, data);
  const { blockBytes } = cipher;
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += blockBytes) {
    for (let i = 0; i < blockBytes; i++) {
      out[at + i] = data[at + i]! ^ (at === 0 ? iv[i]! : out[at - blockBytes + i]!);
    }
    cipher.encryptBlock(out, at, out, at);
  }
  return out;
}

/** CBC without padding, NIST SP 800-38A, 6.2. `iv`: one block. `data`: whole blocks. */
export function cbcDecrypt(cipher: BlockCipher, iv: Uint8Array, data: Uint8Array): Uint8Array {
  requireOneBlock(cipher, iv, 'IV');
  requireWholeBlocks(cipher, data);
  const { blockBytes } = cipher;
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += blockBytes) {
    cipher.decryptBlock(data, at, out, at);
    for (let i = 0; i < blockBytes; i++) {
      out[at + i]! ^= at === 0 ? iv[i]! : data[at - blockBytes + i]!;
    }
  }
  return out;
}

/**
 * CTR, NIST SP 800-38A, 6.5, its own inverse. `counterBlock`: the first counter, one block, counted up over its whole
 * width (appendix B.1). `data`: any length.
 */
export function ctr(cipher: BlockCipher, counterBlock: Uint8Array, data: Uint8Array): Uint8Array {
  requireOneBlock(cipher, counterBlock, 'counter block');
  const { blockBytes } = cipher;
  const counter = Uint8Array.from(counterBlock);
  const stream = new Uint8Array(blockBytes);
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += blockBytes) {
    cipher.encryptBlock(counter, 0, stream, 0);
    const end = Math.min(blockBytes, data.length - at);
    for (let i = 0; i < end; i++) out[at + i] = data[at + i]! ^ stream[i]!;
    for (let i = blockBytes - 1; i >= 0 && ++counter[i]! === 256; i--); // a carry wraps the byte to 0 and goes on
  }
  stream.fill(0);
  return out;
}

export function requireWholeBlocks(cipher: BlockCipher, data: Uint8Array): void {
  if (data.length % cipher.blockBytes === 0) return;
  throw new BlockCipherError(
    'BLOCK_CIPHER_DATA_LENGTH',
    `data must be a multiple of ${cipher.blockBytes} bytes, got ${data.length}`,
  );
}

function requireOneBlock(cipher: BlockCipher, iv: Uint8Array, what: string): void {
  if (iv.length === cipher.blockBytes) return;
  throw new BlockCipherError(
    'BLOCK_CIPHER_IV_LENGTH',
    `the ${what} must be ${cipher.blockBytes} bytes, got ${iv.length}`,
  );
}
