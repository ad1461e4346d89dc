import { aes } from './aes.ts';
import type { BlockCipher } from './block-cipher.ts';
import { tdes } from './des.ts';
import { BlockCipherError } from './errors.ts';
import { cmac } from './mac.ts';

/** Legacy check value of a TDES key (X9.24-1:2017, annex A): left bytes of the encrypted zero block. `bytes`: 1–3. */
export function kcvTdes(key: Uint8Array, bytes = 3): Uint8Array {
  requireCheckValueBytes(bytes, 3);
  return withCipher(tdes(key), (cipher) => {
    const block = new Uint8Array(8);
    cipher.encryptBlock(block, 0, block, 0);
    return block.slice(0, bytes);
  });
}

/** CMAC check value of an AES key (X9.24-1:2017, annex A): left bytes of the CMAC over one zero block. `bytes`: 1–5. */
export function kcvAes(key: Uint8Array, bytes = 3): Uint8Array {
  requireCheckValueBytes(bytes, 5);
  return withCipher(aes(key), (cipher) => cmac(cipher, new Uint8Array(16)).slice(0, bytes));
}

function withCipher<T>(cipher: BlockCipher, use: (cipher: BlockCipher) => T): T {
  try {
    return use(cipher);
  } finally {
    cipher.wipe();
  }
}

function requireCheckValueBytes(bytes: number, most: number): void {
  if (Number.isInteger(bytes) && bytes >= 1 && bytes <= most) return;
  throw new BlockCipherError(
    'BLOCK_CIPHER_CHECK_VALUE_LENGTH',
    `a check value of this kind has 1 to ${most} bytes, got ${bytes}`,
  );
}
