import { type CipherEngine, wipe } from '@openkdh/block-ciphers';
import { type Binding, bindingOf } from './binding.ts';
import { requireBytes, Tr31Error } from './errors.ts';
import type { VersionId } from './tables.ts';

/**
 * A KBPK or an LMK, copied, with the bindings made from it. A binding is made at its first use and kept: the keys
 * derived, their schedules and the CMAC subkeys depend on nothing but this key and the version.
 */
export class ProtectionKey {
  readonly key: Uint8Array;
  readonly #engine: CipherEngine;
  readonly #bindings = new Map<string, Binding>();
  #disposed = false;

  constructor(key: Uint8Array, engine: CipherEngine) {
    requireBytes(key, 'a protection key');
    if (![16, 24, 32].includes(key.length)) {
      throw new Tr31Error('TR31_KBPK_LENGTH', `a protection key is 16, 24 or 32 bytes, got ${key.length}`);
    }
    this.key = Uint8Array.from(key);
    this.#engine = engine;
  }

  /** Throws TR31_DISPOSED, and TR31_KBPK_LENGTH where the cipher of the version has no key of this length. */
  binding(versionId: VersionId | '0' | '1', cipher: 'TDES' | 'AES'): Binding {
    const kept = this.#bindings.get(versionId);
    if (kept) return kept;
    if (this.#disposed) throw new Tr31Error('TR31_DISPOSED', 'the handle was disposed of');
    if (cipher === 'TDES' && this.key.length === 32) {
      const message = `version ${versionId} has a protection key of 16 or 24 bytes, this one has 32`;
      throw new Tr31Error('TR31_KBPK_LENGTH', message);
    }
    const made = bindingOf(versionId, this.key, this.#engine);
    this.#bindings.set(versionId, made);
    return made;
  }

  dispose(): void {
    this.#disposed = true;
    wipe(this.key);
    for (const binding of this.#bindings.values()) binding.wipe();
    this.#bindings.clear();
  }
}
