import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from 'node:crypto';
import { type BlockCipher, requireBlock } from './block-cipher.ts';

/** The same contract over node:crypto. Both directions are kept open, so that the key is set up once for each. */
export class OpensslCipher implements BlockCipher {
  readonly blockBytes: 8 | 16;
  readonly #algorithm: string;
  readonly #key: Uint8Array;
  #live = true;
  #encryption: Cipher | undefined;
  #decryption: Decipher | undefined;

  constructor(algorithm: string, blockBytes: 8 | 16, key: Uint8Array) {
    this.#algorithm = algorithm;
    this.blockBytes = blockBytes;
    this.#key = Uint8Array.from(key);
  }

  encryptBlock(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    requireBlock(this.#live, this.blockBytes, source, from, target, to);
    this.#encryption ??= createCipheriv(this.#algorithm, this.#key, null).setAutoPadding(false);
    target.set(this.#encryption.update(source.subarray(from, from + this.blockBytes)), to);
  }

  decryptBlock(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    requireBlock(this.#live, this.blockBytes, source, from, target, to);
    this.#decryption ??= createDecipheriv(this.#algorithm, this.#key, null).setAutoPadding(false);
    target.set(this.#decryption.update(source.subarray(from, from + this.blockBytes)), to);
  }

  /** Zeroes our copy; OpenSSL cleanses its own schedules when `final` frees the context. */
  wipe(): void {
    this.#live = false;
    this.#key.fill(0);
    this.#encryption?.final();
    this.#decryption?.final();
    this.#encryption = undefined;
    this.#decryption = undefined;
  }
}
