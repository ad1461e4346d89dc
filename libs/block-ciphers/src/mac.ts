import { type BlockCipher, requireKeyBytes } from './block-cipher.ts';
import { des } from './des.ts';
import { BlockCipherError } from './errors.ts';
import { requireWholeBlocks } from './modes.ts';

/** CMAC under one key; the subkeys are kept, and are as secret as the key. */
export interface Cmac {
  /** MAC over the concatenation of the parts: one block, not truncated. */
  mac(...parts: Uint8Array[]): Uint8Array;
  /** Fills the subkeys and the cipher's key schedule with zeros. */
  wipe(): void;
}

/** CMAC, NIST SP 800-38B, over any block cipher. Takes the cipher over: `wipe` wipes it too. */
export function cmacOf(cipher: BlockCipher): Cmac {
  return new CipherMac(cipher);
}

/** One CMAC, NIST SP 800-38B, over the concatenation of the parts: one block, not truncated. */
export function cmac(cipher: BlockCipher, ...parts: Uint8Array[]): Uint8Array {
  const once = new CipherMac(cipher);
  try {
    return once.mac(...parts);
  } finally {
    once.wipeSubkeys();
  }
}

class CipherMac implements Cmac {
  readonly #cipher: BlockCipher;
  readonly #completeSubkey: Uint8Array; // K1: the last block is whole
  readonly #paddedSubkey: Uint8Array; // K2: the last block was padded

  constructor(cipher: BlockCipher) {
    this.#cipher = cipher;
    const l = new Uint8Array(cipher.blockBytes);
    cipher.encryptBlock(l, 0, l, 0);
    this.#completeSubkey = double(l);
    this.#paddedSubkey = double(this.#completeSubkey);
    l.fill(0);
  }

  mac(...parts: Uint8Array[]): Uint8Array {
    const { blockBytes } = this.#cipher;
    const state = new Uint8Array(blockBytes);
    let filled = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length; ) {
        if (filled === blockBytes) {
          this.#cipher.encryptBlock(state, 0, state, 0);
          filled = 0;
        }
        const end = Math.min(part.length, at + blockBytes - filled);
        while (at < end) state[filled++]! ^= part[at++]!;
      }
    }
    if (filled < blockBytes) state[filled]! ^= 0x80;
    const subkey = filled < blockBytes ? this.#paddedSubkey : this.#completeSubkey;
    for (let i = 0; i < blockBytes; i++) state[i]! ^= subkey[i]!;
    this.#cipher.encryptBlock(state, 0, state, 0);
    return state;
  }

  wipeSubkeys(): void {
    this.#completeSubkey.fill(0);
    this.#paddedSubkey.fill(0);
  }

  wipe(): void {
    this.wipeSubkeys();
    this.#cipher.wipe();
  }
}

/** Subkey generation, NIST SP 800-38B, 6.1: shift left, and the carry comes back as R64 = 1B or R128 = 87. */
function double(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(block.length);
  const carry = block[0]! >>> 7; // multiplied, not branched on: the block is secret
  for (let i = 0; i < block.length; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >>> 7);
  out[block.length - 1]! ^= carry * (block.length === 8 ? 0x1b : 0x87);
  return out;
}

/** CBC-MAC with zero IV, ISO 9797-1 algorithm 1, one block, not truncated. `data`: one or more whole blocks. */
export function cbcMac(cipher: BlockCipher, data: Uint8Array): Uint8Array {
  requireWholeBlocks(cipher, data);
  if (data.length === 0) throw new BlockCipherError('BLOCK_CIPHER_DATA_LENGTH', 'CBC-MAC of no data');
  const { blockBytes } = cipher;
  const state = new Uint8Array(blockBytes);
  for (let at = 0; at < data.length; at += blockBytes) {
    for (let i = 0; i < blockBytes; i++) state[i]! ^= data[at + i]!;
    cipher.encryptBlock(state, 0, state, 0);
  }
  return state;
}

/**
 * Retail MAC, ISO 9797-1 algorithm 3 with padding method 1 (zeros; no data is one block of zeros), 8 bytes, not
 * truncated: single DES under the left half, then for the last block decryption under the right half and encryption
 * under the left again. `key`: 16 bytes.
 */
export function retailMac(key: Uint8Array, data: Uint8Array): Uint8Array {
  requireKeyBytes(key, [16], 'the retail MAC');
  const left = des(key.subarray(0, 8));
  const right = des(key.subarray(8));
  try {
    const padded = new Uint8Array(Math.max(8, Math.ceil(data.length / 8) * 8));
    padded.set(data);
    const state = cbcMac(left, padded);
    right.decryptBlock(state, 0, state, 0);
    left.encryptBlock(state, 0, state, 0);
    return state;
  } finally {
    left.wipe();
    right.wipe();
  }
}
