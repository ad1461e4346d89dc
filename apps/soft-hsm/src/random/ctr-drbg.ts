import { createCipheriv } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';

const keyBytes = 32;
const blockBytes = 16;

/** Seed length with AES-256: key and block. SP 800-90A, table 3. */
export const seedBytes = keyBytes + blockBytes;

/** SP 800-90A, table 3: 2^19 bits per request. */
export const maxRequestBytes = 2 ** 16;

/**
 * CTR_DRBG with AES-256 and without a derivation function, NIST SP 800-90A Rev. 1, 10.2.1: security strength 256 bits,
 * no prediction resistance. Reseeding when it is due is the caller's duty.
 */
export class CtrDrbg {
  /** Key ‖ V. */
  readonly #state = Buffer.alloc(seedBytes);

  /** 10.2.1.3.1. `entropy`: 48 bytes of full entropy; `personalization`: at most 48 bytes. */
  constructor(entropy: Uint8Array, personalization: Uint8Array = new Uint8Array()) {
    this.#update(entropy, personalization);
  }

  /** 10.2.1.4.1. `entropy`: 48 bytes of full entropy. */
  reseed(entropy: Uint8Array): void {
    this.#update(entropy);
  }

  /** Fills `target`, at most 65,536 bytes. 10.2.1.5.1, without additional input. */
  fill(target: Uint8Array): void {
    if (target.length > maxRequestBytes) {
      throw new RangeError(`at most ${maxRequestBytes} bytes per request, got ${target.length}`);
    }
    const outputBytes = Math.ceil(target.length / blockBytes) * blockBytes;
    const stream = this.#keystream(outputBytes + seedBytes); // the update at the end goes on counting
    target.set(stream.subarray(0, target.length));
    this.#state.set(stream.subarray(outputBytes));
    wipe(stream);
  }

  wipe(): void {
    wipe(this.#state);
  }

  /** 10.2.1.2 CTR_DRBG_Update; what is provided is the exclusive or of `seeds`, each continued with zeros. */
  #update(...seeds: Uint8Array[]): void {
    const stream = this.#keystream(seedBytes);
    for (const seed of seeds) {
      if (seed.length > seedBytes) throw new RangeError(`at most ${seedBytes} bytes, got ${seed.length}`);
      seed.forEach((byte, n) => {
        stream[n]! ^= byte;
      });
    }
    this.#state.set(stream);
    wipe(stream);
  }

  /** The next `length` bytes: encrypted counters from V + 1 on. */
  #keystream(length: number): Buffer {
    const key = this.#state.subarray(0, keyBytes);
    const cipher = createCipheriv('aes-256-ctr', key, this.#state.subarray(keyBytes));
    return cipher.update(Buffer.alloc(blockBytes + length)).subarray(blockBytes);
  }
}
