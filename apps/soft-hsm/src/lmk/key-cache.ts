import { hash } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import { type KbpkHandle, kbpk } from '@openkdh/tr31';
import { lmkHandle, type ThalesHeader } from '@openkdh/tr31/thales';
import { Refusal } from '../answer-codes.ts';
import { type KeyAlgorithm, keyAlgorithmOf } from '../keys/algorithms.ts';
import { type KeyBlockProtection, noLmkId, openKeyBlock } from './key-block.ts';
import type { Lmk } from './lmk.ts';

const capacity = 256;

/** A symmetric working key in clear, as long as it stays in the cache; commands use it at once and never keep it. */
export class WorkingKey {
  readonly header: ThalesHeader;
  readonly algorithm: KeyAlgorithm;
  /** Wiped when the key leaves the cache. */
  readonly key: Uint8Array;
  /** SHA-256 of the key block, upper-case hex. */
  readonly fingerprint: string;
  #kbpk: KbpkHandle | undefined;
  #zmk: KeyBlockProtection | undefined;

  constructor(header: ThalesHeader, algorithm: KeyAlgorithm, key: Uint8Array, fingerprint: string) {
    this.header = header;
    this.algorithm = algorithm;
    this.key = key;
    this.fingerprint = fingerprint;
  }

  /** This key as the protection key of TR-31 blocks. */
  get kbpk(): KbpkHandle {
    this.#kbpk ??= kbpk(this.key);
    return this.#kbpk;
  }

  /** This key as the protection key of Thales blocks that name no LMK. */
  get zmk(): KeyBlockProtection {
    const thalesVersion = this.algorithm.letter === 'A' ? '1' : '0';
    this.#zmk ??= { id: noLmkId, thalesVersion, handle: lmkHandle(this.key) };
    return this.#zmk;
  }

  wipe(): void {
    wipe(this.key);
    this.#kbpk?.dispose();
    this.#zmk?.handle.dispose();
  }
}

/**
 * The working keys in use, by their key block: the least recently used one goes first. The block that is looked up is
 * compared whole, so a hit is a block whose MAC was verified.
 */
export class KeyCache {
  readonly #keys = new Map<string, WorkingKey>();

  /** Refuses what `openKeyBlock` refuses, and with A7 a key that is not symmetric. */
  open(lmk: Lmk, block: string): WorkingKey {
    const cached = this.#keys.get(block);
    if (cached !== undefined && cached.header.lmkId === lmk.id) {
      this.#keys.delete(block);
      this.#keys.set(block, cached);
      return cached;
    }
    const { header, key } = openKeyBlock(lmk, block);
    const algorithm = keyAlgorithmOf(header.algorithm, key.length);
    if (algorithm === undefined) {
      wipe(key);
      throw new Refusal('A7', `algorithm ${header.algorithm} with ${key.length} bytes is no symmetric key`);
    }
    const opened = new WorkingKey(header, algorithm, key, fingerprintOf(block));
    this.#keys.set(block, opened);
    if (this.#keys.size > capacity) {
      const [oldest] = this.#keys.keys();
      this.#keys.get(oldest!)!.wipe();
      this.#keys.delete(oldest!);
    }
    return opened;
  }

  /** Wipes and forgets all keys. */
  clear(): void {
    for (const key of this.#keys.values()) key.wipe();
    this.#keys.clear();
  }
}

/** How logs name a key block: SHA-256 of its characters, without the scheme tag. */
export function fingerprintOf(block: string | Uint8Array): string {
  return hash('sha256', block, 'hex').toUpperCase(); // a string here is ASCII
}
