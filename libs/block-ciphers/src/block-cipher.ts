import { BlockCipherError } from './errors.ts';

/**
 * `table`: our own table-driven core, fast and not constant in time. `openssl`: node:crypto.
 * The head comment of `index.ts` says which to choose.
 */
export type CipherEngine = 'table' | 'openssl';

/**
 * One keyed block cipher. Source and target may be the same bytes; offsets are in bytes.
 * After `wipe` every call throws BLOCK_CIPHER_WIPED: a forgotten key must not become the all-zero key.
 */
export interface BlockCipher {
  readonly blockBytes: 8 | 16;
  encryptBlock(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number): void;
  decryptBlock(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number): void;
  /** Fills the key schedule with zeros. Harmless when repeated. */
  wipe(): void;
}

export function requireKeyBytes(key: Uint8Array, allowed: readonly number[], cipher: string): void {
  // Hex digits, as many as a key has bytes, would pass for another key.
  const came = key instanceof Uint8Array ? key.length : `a ${typeof key}`;
  if ((allowed as readonly unknown[]).includes(came)) return;
  throw new BlockCipherError(
    'BLOCK_CIPHER_KEY_LENGTH',
    `${cipher} needs a key of ${allowed.join(', ')} bytes, got ${came}`,
  );
}

export function requireKeyAt(key: Uint8Array, keyOffset: number, keyBytes: number): void {
  if (keyOffset + keyBytes > key.length) {
    throw new BlockCipherError(
      'BLOCK_CIPHER_KEY_LENGTH',
      `expected a key of ${keyBytes} bytes at offset ${keyOffset}, got ${key.length} bytes in all`,
    );
  }
}

/** Called once per block by every core, so it must stay small enough to be inlined. */
export function requireBlock(
  live: boolean,
  blockBytes: number,
  source: Uint8Array,
  sourceOffset: number,
  target: Uint8Array,
  targetOffset: number,
): void {
  if (!live || sourceOffset + blockBytes > source.length || targetOffset + blockBytes > target.length) {
    refuseBlock(live, blockBytes, source.length - sourceOffset, target.length - targetOffset);
  }
}

function refuseBlock(live: boolean, blockBytes: number, sourceBytes: number, targetBytes: number): never {
  if (!live) throw new BlockCipherError('BLOCK_CIPHER_WIPED', 'the key schedule was wiped');
  throw new BlockCipherError(
    'BLOCK_CIPHER_DATA_LENGTH',
    `a block is ${blockBytes} bytes, got ${sourceBytes} to read and ${targetBytes} to write`,
  );
}
