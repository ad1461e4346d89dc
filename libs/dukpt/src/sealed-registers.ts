import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { DukptError, requireLength } from './errors.ts';
import type { DukptRegisters, TerminalTransaction } from './registers.ts';

/**
 * The memory of one terminal that keeps its content without power. Each write is atomic and durable: when it has
 * resolved, the new value is there, and after a power cut before that either the old value or the new one is, whole.
 * Writes are never called at once.
 */
export interface TerminalMemory {
  /** The sealed state as last written; undefined when none ever was. */
  readState(): Promise<Uint8Array | undefined>;
  /** Replaces the sealed state. */
  writeState(sealed: Uint8Array): Promise<void>;
  /** The number last written, 0 when none ever was. Should be where a copy of the state can't take it back. */
  readSequence(): Promise<number>;
  /** Each number is greater than the one before. */
  writeSequence(sequence: number): Promise<void>;
}

/** Encrypts and authenticates a state. A secure element offers this; `aesGcmSealer` does it with a key. */
export interface Sealer {
  seal(clear: Uint8Array): Uint8Array;
  /** Throws when the bytes were not sealed here, or were changed. */
  unseal(sealed: Uint8Array): Uint8Array;
}

const sequenceBytes = 6;

/**
 * Registers that survive a power cut between any two writes, and never use a counter twice.
 *
 * For each transaction: the registers advance, the sealed state is written, then the sequence number that is also in
 * the state, and only then the key is handed out. A cut before the first write loses nothing, a cut after it loses one
 * transaction key that nobody has seen. A state whose number is below the one in memory is an old copy, and refused.
 */
export class SealedRegisters<R extends DukptRegisters> {
  readonly #registers: R;
  readonly #memory: TerminalMemory;
  readonly #sealer: Sealer;
  #sequence: number;
  #lastSave: Promise<void> = Promise.resolve();

  private constructor(registers: R, memory: TerminalMemory, sealer: Sealer, sequence: number) {
    this.#registers = registers;
    this.#memory = memory;
    this.#sealer = sealer;
    this.#sequence = sequence;
  }

  /** Takes newly loaded registers over and saves them in the place of what the memory held. */
  static async load<R extends DukptRegisters>(
    registers: R,
    memory: TerminalMemory,
    sealer: Sealer,
  ): Promise<SealedRegisters<R>> {
    const loaded = new SealedRegisters(registers, memory, sealer, await memory.readSequence());
    await loaded.#save();
    return loaded;
  }

  /**
   * Continues after power-up; undefined when no key was ever loaded. `fromState` says which algorithm:
   * `TdesDukptRegisters.fromState` or `AesDukptRegisters.fromState`.
   * Errors: DUKPT_STATE_ROLLED_BACK, DUKPT_STATE_INVALID, and those of the sealer (DUKPT_UNSEAL_FAILED).
   */
  static async open<R extends DukptRegisters>(
    memory: TerminalMemory,
    sealer: Sealer,
    fromState: (state: Uint8Array) => R,
  ): Promise<SealedRegisters<R> | undefined> {
    const sealed = await memory.readState();
    if (sealed === undefined) return undefined;
    const clear = sealer.unseal(sealed);
    try {
      if (clear.length < sequenceBytes) {
        throw new DukptError(
          'DUKPT_STATE_INVALID',
          `state: expected a sequence number, got ${clear.length} bytes`,
        );
      }
      const sequence = viewOf(clear).readUIntBE(0, sequenceBytes);
      const written = await memory.readSequence();
      if (sequence < written) {
        throw new DukptError('DUKPT_STATE_ROLLED_BACK', `state: expected number ${written}, got ${sequence}`);
      }
      const registers = fromState(clear.subarray(sequenceBytes));
      if (sequence > written) await memory.writeSequence(sequence); // the power was cut between the two writes
      return new SealedRegisters(registers, memory, sealer, sequence);
    } finally {
      clear.fill(0);
    }
  }

  /** The registers without `next`, which must not go past the memory. */
  get registers(): Omit<R, 'next'> {
    return this.#registers;
  }

  /**
   * The next transaction, once the registers without its key are saved. When saving fails, the error is the memory's,
   * the key is wiped, and its counter is lost: the next call gives the one after it. May be called again before it
   * has resolved; the writes keep their order.
   */
  async next(): Promise<TerminalTransaction> {
    const transaction = this.#registers.next();
    try {
      await this.#save();
      return transaction;
    } catch (error) {
      transaction.key.fill(0);
      throw error;
    }
  }

  #save(): Promise<void> {
    const sequence = ++this.#sequence;
    const sealed = this.#sealState(sequence);
    const save = this.#lastSave.then(async () => {
      await this.#memory.writeState(sealed);
      await this.#memory.writeSequence(sequence);
    });
    this.#lastSave = save.catch(() => undefined); // a failure is its caller's; the next write must not wait on it
    return save;
  }

  /** sequence[6] state[...] */
  #sealState(sequence: number): Uint8Array {
    const state = this.#registers.toState();
    const clear = new Uint8Array(sequenceBytes + state.length);
    try {
      viewOf(clear).writeUIntBE(sequence, 0, sequenceBytes);
      clear.set(state, sequenceBytes);
      return this.#sealer.seal(clear);
    } finally {
      state.fill(0);
      clear.fill(0);
    }
  }
}

const nonceBytes = 12;
const tagBytes = 16;

/**
 * Seals with AES-256-GCM, NIST SP 800-38D: nonce[12] ciphertext[...] tag[16]. `key`: 32 bytes of this terminal alone,
 * copied; after `wipe` every call throws DUKPT_WIPED. Nonces are random, good for 2^32 seals, more than a terminal has
 * transactions. A state that doesn't open is DUKPT_UNSEAL_FAILED, whatever the reason.
 */
export function aesGcmSealer(key: Uint8Array): Sealer & { wipe(): void } {
  requireLength(key, [32], 'DUKPT_KEY_LENGTH', 'sealing key');
  const ownKey = new Uint8Array(key);
  let wiped = false;
  const requireKey = () => {
    if (wiped) throw new DukptError('DUKPT_WIPED', 'the sealing key was wiped'); // never seal under zeros
  };
  return {
    seal(clear) {
      requireKey();
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', ownKey, nonce);
      return Buffer.concat([nonce, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
    },
    unseal(sealed) {
      requireKey();
      try {
        const decipher = createDecipheriv('aes-256-gcm', ownKey, sealed.subarray(0, nonceBytes), {
          authTagLength: tagBytes,
        });
        decipher.setAuthTag(sealed.subarray(-tagBytes));
        const clear = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
        decipher.final();
        return clear;
      } catch {
        throw new DukptError('DUKPT_UNSEAL_FAILED', 'the sealed state does not open');
      }
    },
    wipe() {
      wiped = true;
      ownKey.fill(0);
    },
  };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
