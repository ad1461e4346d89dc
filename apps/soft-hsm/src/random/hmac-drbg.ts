import { createHmac } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';

const outputBytes = 32;

/** NIST SP 800-90A allows 2^19 bits per request. */
export const maxRequestBytes = 2 ** 16;

/**
 * HMAC_DRBG with SHA-256, NIST SP 800-90A Rev. 1, 10.1.2: security strength 256 bits, no prediction resistance.
 * Reseeding when it is due is the caller's duty.
 */
export class HmacDrbg {
  #key: Buffer = Buffer.alloc(outputBytes, 0x00);
  #value: Buffer = Buffer.alloc(outputBytes, 0x01);

  /** 10.1.2.3. `entropy`: at least 32 bytes; `nonce`: at least 16 bytes. */
  constructor(entropy: Uint8Array, nonce: Uint8Array, personalization: Uint8Array = new Uint8Array()) {
    this.#update(entropy, nonce, personalization);
  }

  /** 10.1.2.4. `entropy`: at least 32 bytes. */
  reseed(entropy: Uint8Array): void {
    this.#update(entropy);
  }

  /** Fills `target`, at most 65,536 bytes. 10.1.2.5, without additional input. */
  fill(target: Uint8Array): void {
    if (target.length > maxRequestBytes) {
      throw new RangeError(`at most ${maxRequestBytes} bytes per request, got ${target.length}`);
    }
    for (let at = 0; at < target.length; at += outputBytes) {
      this.#value = this.#hmac(this.#value);
      target.set(this.#value.subarray(0, target.length - at), at);
    }
    this.#update();
  }

  wipe(): void {
    wipe(this.#key, this.#value);
  }

  /** 10.1.2.2 HMAC_DRBG_Update; `provided` is the concatenation of what is given. */
  #update(...provided: Uint8Array[]): void {
    const empty = provided.every((part) => part.length === 0);
    for (const round of empty ? [0x00] : [0x00, 0x01]) {
      const key = this.#hmac(this.#value, Uint8Array.of(round), ...provided);
      wipe(this.#key);
      this.#key = key;
      this.#value = this.#hmac(this.#value);
    }
  }

  #hmac(...parts: Uint8Array[]): Buffer {
    const hmac = createHmac('sha256', this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }
}
