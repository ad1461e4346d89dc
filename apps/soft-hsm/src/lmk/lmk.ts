import { lmkCheckValue, lmkHandle } from '@openkdh/tr31/thales';
import { Refusal } from '../answer-codes.ts';
import type { KeyBlockProtection } from './key-block.ts';

/** Blocks under a test LMK protect nothing; test and live never meet in one process. */
export type LmkStatus = 'live' | 'test';

/** A local master key, loaded. Every working key comes to this HSM as a key block under it. */
export interface Lmk extends KeyBlockProtection {
  /** `00` to `19`: what `%nn` in a command and the end of a key block header name. */
  readonly id: string;
  readonly status: LmkStatus;
  readonly algorithm: 'AES-256' | 'TDES-3';
  /** Security strength, NIST SP 800-57 part 1, table 2. */
  readonly strengthBits: number;
  /** Shown by JK. */
  readonly comment: string;
  /** 6 hex digits. */
  readonly checkValue: string;
}

/** Loads an AES LMK. `key`: 32 bytes; copied, the caller wipes its own. */
export function loadAesLmk(key: Uint8Array, label: Pick<Lmk, 'id' | 'status' | 'comment'>): Lmk {
  return {
    ...label,
    algorithm: 'AES-256',
    thalesVersion: '1',
    strengthBits: 256,
    checkValue: aesLmkCheckValue(key),
    handle: lmkHandle(key),
  };
}

/** 6 hex digits. */
export function aesLmkCheckValue(key: Uint8Array): string {
  return Buffer.from(lmkCheckValue(key)).toString('hex').toUpperCase();
}

/** The loaded LMKs; the first is the default. */
export class LmkTable {
  #lmks: readonly Lmk[] = [];
  #old: Lmk | undefined;
  #onForgetOld = () => {};

  get all(): readonly Lmk[] {
    return this.#lmks;
  }

  /** The LMK that a command names, or the default. Refuses an id that is not loaded with 13. */
  get(id: string | undefined): Lmk {
    const lmk = id === undefined ? this.#lmks[0] : this.#lmks.find((loaded) => loaded.id === id);
    if (lmk === undefined) throw new Refusal('13', `no LMK ${id ?? ''} is loaded`);
    return lmk;
  }

  /** The LMK that was in use under this id before; refuses with 33 if there is none. */
  old(id: string): Lmk {
    if (this.#old?.id !== id) throw new Refusal('33', `there is no old LMK ${id}`);
    return this.#old;
  }

  get hasOld(): boolean {
    return this.#old !== undefined;
  }

  load(lmk: Lmk): void {
    this.#lmks = [...this.#lmks, lmk];
  }

  /** Loads the LMK that keys are translated from by BW. `onForget`: what else to do when it is forgotten by BS. */
  loadOld(lmk: Lmk, onForget = () => {}): void {
    this.#old = lmk;
    this.#onForgetOld = onForget;
  }

  /** Makes `lmk` the one in use under its id, and the one before it the old one. */
  change(lmk: Lmk, onForget: () => void): void {
    const before = this.get(lmk.id);
    this.#old?.handle.dispose();
    this.loadOld(before, onForget);
    this.#lmks = this.#lmks.map((loaded) => (loaded === before ? lmk : loaded));
  }

  /** Wipes the old LMK, for good. */
  forgetOld(): void {
    if (this.#old === undefined) return;
    this.#old.handle.dispose();
    this.#old = undefined;
    this.#onForgetOld();
  }

  /** Wipes and forgets all LMKs. */
  clear(): void {
    for (const { handle } of this.#lmks) handle.dispose();
    this.#old?.handle.dispose();
    this.#lmks = [];
    this.#old = undefined;
  }
}
