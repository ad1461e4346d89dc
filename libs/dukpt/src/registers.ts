import type { CipherEngine } from '@openkdh/block-ciphers';
import { aesStep, requireAesKey, updateKeyFrom, type WorkingKeyOptions } from './aes-derivation.ts';
import {
  aesCounter,
  type CounterRule,
  countOneBits,
  highestOneBit,
  isTransactionCounter,
  lowestOneBit,
  nextCounter,
  tdesCounter,
} from './counter.ts';
import { DukptError } from './errors.ts';
import type { Step } from './key-path.ts';
import { aesKsnAt, aesKsnBytes, aesKsnCounter, tdesKsnAt, tdesKsnBytes, tdesKsnCounter } from './ksn.ts';
import type { AesKeyType } from './tables.ts';
import { requireTdesInitialKey, tdesStep } from './tdes-derivation.ts';

/** One transaction of a terminal. */
export interface TerminalTransaction {
  /** The KSN to send with the message: 10 bytes (TDES) or 12 (AES). */
  readonly ksn: Uint8Array;
  /** The transaction key, no longer in the registers. Derive the working keys from it, then wipe it. */
  readonly key: Uint8Array;
}

/** In what the two algorithms differ for the registers. */
interface RegisterScheme {
  /** Marks the algorithm in a state. */
  readonly tag: number;
  readonly counter: CounterRule;
  readonly ksnBytes: number;
  readonly keyLengths: readonly number[];
  ksnCounter(ksn: Uint8Array): number;
  ksnAt(ksn: Uint8Array, counter: number): Uint8Array;
}

const tdesScheme: RegisterScheme = {
  tag: 0x54, // T
  counter: tdesCounter,
  ksnBytes: tdesKsnBytes,
  keyLengths: [16],
  ksnCounter: tdesKsnCounter,
  ksnAt: tdesKsnAt,
};

const aesScheme: RegisterScheme = {
  tag: 0x41, // A
  counter: aesCounter,
  ksnBytes: aesKsnBytes,
  keyLengths: [16, 24, 32],
  ksnCounter: aesKsnCounter,
  ksnAt: aesKsnAt,
};

const stateVersion = 0x01;
const stateHeaderBytes = 3;

/**
 * Which registers hold a key while `counter` is the next transaction, as a bit map. The register of its lowest
 * one-bit does; so does every register above whose bit is zero, unless the bits above that one are already as many
 * as allowed: then the counter never comes to it. Zero (exhausted): none.
 */
export function filledRegisters(rule: CounterRule, counter: number): number {
  if (counter === 0) return 0;
  const lowest = lowestOneBit(counter);
  let filled = lowest;
  for (let bit = 2 * lowest; bit < 2 ** rule.bits; bit *= 2) {
    const above = counter - (counter % bit);
    const isZero = above % (2 * bit) === 0;
    if (isZero && countOneBits(above) < rule.maxOneBits) filled += bit;
  }
  return filled;
}

/**
 * The future key registers of a terminal: one for each bit of the counter. For each transaction the register of the
 * counter's lowest one-bit holds the key; from it come the keys of all lower registers, then it is erased, and the
 * counter advances. What was used can't be computed again from what is left.
 *
 * In memory only: `SealedRegisters` saves the state before it hands out a key. Called by a terminal, never by a host.
 */
export abstract class DukptRegisters {
  readonly #scheme: RegisterScheme;
  readonly #step: Step;
  readonly #ksn: Uint8Array;
  readonly #keyBytes: number;
  /** [n] belongs to bit n of the counter; zeros where `filledRegisters` has no bit. */
  readonly #keys: Uint8Array[];
  /** Of the next transaction; 0 when exhausted. */
  #counter: number;

  protected constructor(
    scheme: RegisterScheme,
    step: Step,
    ksn: Uint8Array,
    counter: number,
    keyBytes: number,
  ) {
    this.#scheme = scheme;
    this.#step = step;
    this.#ksn = scheme.ksnAt(ksn, 0);
    this.#counter = counter;
    this.#keyBytes = keyBytes;
    this.#keys = Array.from({ length: scheme.counter.bits }, () => new Uint8Array(keyBytes));
  }

  /** The KSN of the next transaction; undefined when there is none left. */
  get nextKsn(): Uint8Array | undefined {
    return this.#counter === 0 ? undefined : this.#scheme.ksnAt(this.#ksn, this.#counter);
  }

  /** Takes the next transaction's key out of the registers. DUKPT_EXHAUSTED after the last one, for ever. */
  next(): TerminalTransaction {
    const { counter: rule, ksnAt } = this.#scheme;
    const counter = this.#counter;
    if (counter === 0) {
      throw new DukptError(
        'DUKPT_EXHAUSTED',
        'the last transaction key was used: the terminal needs a new key',
      );
    }
    const used = bitNumber(lowestOneBit(counter));
    const register = this.#keys[used]!;
    const key = new Uint8Array(register);
    if (countOneBits(counter) < rule.maxOneBits) this.#fillBelow(used, counter, key);
    register.fill(0);
    this.#counter = nextCounter(rule, counter) ?? 0;
    return { ksn: ksnAt(this.#ksn, counter), key };
  }

  /**
   * The state in clear, for whoever seals it; the caller wipes it. It is as secret as the keys in it.
   *
   * version[1] algorithm[1] key length[1] KSN of the next transaction[10 or 12] (counter 0: exhausted),
   * then the filled registers, the lowest first.
   */
  toState(): Uint8Array {
    const filled = this.#filledKeys();
    const { tag, ksnBytes, ksnAt } = this.#scheme;
    const state = new Uint8Array(stateHeaderBytes + ksnBytes + filled.length * this.#keyBytes);
    state[0] = stateVersion;
    state[1] = tag;
    state[2] = this.#keyBytes;
    state.set(ksnAt(this.#ksn, this.#counter), stateHeaderBytes);
    for (const [n, key] of filled.entries()) {
      state.set(key, stateHeaderBytes + ksnBytes + n * this.#keyBytes);
    }
    return state;
  }

  /** Fills all registers with zeros and ends the counter: tamper response, or a new key is coming. */
  wipe(): void {
    for (const key of this.#keys) key.fill(0);
    this.#counter = 0;
  }

  protected fillAll(initialKey: Uint8Array): void {
    this.#fillBelow(this.#keys.length, 0, initialKey);
  }

  protected fillFrom(state: Uint8Array): void {
    const keysAt = stateHeaderBytes + this.#scheme.ksnBytes;
    for (const [n, key] of this.#filledKeys().entries()) {
      key.set(state.subarray(keysAt + n * this.#keyBytes, keysAt + (n + 1) * this.#keyBytes));
    }
  }

  /** A copy of the key in the highest filled register, and its KSN; undefined when exhausted. */
  protected highestKey(): TerminalTransaction | undefined {
    const filled = filledRegisters(this.#scheme.counter, this.#counter);
    if (filled === 0) return undefined;
    const bit = highestOneBit(filled);
    const counter = this.#counter - (this.#counter % bit) + (this.#counter & bit ? 0 : bit);
    return { ksn: this.#scheme.ksnAt(this.#ksn, counter), key: new Uint8Array(this.#keys[bitNumber(bit)]!) };
  }

  #fillBelow(used: number, counter: number, key: Uint8Array): void {
    for (let number = 0; number < used; number++) {
      const register = this.#keys[number]!;
      register.set(key);
      this.#step(register, counter + 2 ** number);
    }
  }

  #filledKeys(): Uint8Array[] {
    const filled = filledRegisters(this.#scheme.counter, this.#counter);
    return this.#keys.filter((_, number) => (filled & (1 << number)) !== 0);
  }
}

/** The 21 registers of TDES DUKPT. ANSI X9.24-1:2009, A.2 and A.3. */
export class TdesDukptRegisters extends DukptRegisters {
  private constructor(ksn: Uint8Array, counter: number) {
    super(tdesScheme, tdesStep(ksn), ksn, counter, 16);
  }

  /**
   * Loads an initial key: fills all registers and sets the counter to 1. The caller wipes the key: a terminal keeps
   * none. `initialKey`: 16 bytes; `ksn`: the initial KSN, 10 bytes, counter zero (DUKPT_KSN_NOT_INITIAL), since a key
   * that was in use would start over.
   */
  static load(initialKey: Uint8Array, ksn: Uint8Array): TdesDukptRegisters {
    requireTdesInitialKey(initialKey);
    requireInitialKsn(tdesKsnCounter(ksn));
    const registers = new TdesDukptRegisters(ksn, 1);
    registers.fillAll(initialKey);
    return registers;
  }

  /** Continues from a state of `toState`, which the caller wipes. DUKPT_STATE_INVALID for any other bytes. */
  static fromState(state: Uint8Array): TdesDukptRegisters {
    const { ksn, counter } = parseState(tdesScheme, state);
    const registers = new TdesDukptRegisters(ksn, counter);
    registers.fillFrom(state);
    return registers;
  }
}

/** The 32 registers of AES DUKPT. ANSI X9.24-3:2017, 6.3 and 6.5. */
export class AesDukptRegisters extends DukptRegisters {
  private constructor(ksn: Uint8Array, counter: number, keyBytes: number, engine: CipherEngine) {
    super(aesScheme, aesStep(ksn, keyBytes, engine), ksn, counter, keyBytes);
  }

  /**
   * Loads an initial key: fills all registers and sets the counter to 1. The caller wipes the key: a terminal keeps
   * none. `initialKey`: 16, 24 or 32 bytes; `ksn`: the initial KSN, 12 bytes, counter zero (DUKPT_KSN_NOT_INITIAL),
   * since a key that was in use would start over.
   */
  static load(initialKey: Uint8Array, ksn: Uint8Array, engine: CipherEngine = 'table'): AesDukptRegisters {
    requireAesKey(initialKey, 'initial key of AES DUKPT');
    requireInitialKsn(aesKsnCounter(ksn));
    const registers = new AesDukptRegisters(ksn, 1, initialKey.length, engine);
    registers.fillAll(initialKey);
    return registers;
  }

  /** Continues from a state of `toState`, which the caller wipes. DUKPT_STATE_INVALID for any other bytes. */
  static fromState(state: Uint8Array, engine: CipherEngine = 'table'): AesDukptRegisters {
    const { ksn, counter, keyBytes } = parseState(aesScheme, state);
    const registers = new AesDukptRegisters(ksn, counter, keyBytes, engine);
    registers.fillFrom(state);
    return registers;
  }

  /**
   * The DUKPT Update Key, under which the host sends a new initial key. ANSI X9.24-3:2017, 6.5.2 and 6.5.3. Uses up
   * no transaction. DUKPT_EXHAUSTED once the last transaction key was used, since no register is left then.
   *
   * The highest filled register always lies on the way to counter FFFFFFFF: its bit and all bits above are ones.
   */
  updateKey(type: AesKeyType, options: WorkingKeyOptions = {}): Uint8Array {
    const highest = this.highestKey();
    if (highest === undefined) {
      throw new DukptError(
        'DUKPT_EXHAUSTED',
        'the last transaction key was used: the update key went with it',
      );
    }
    return updateKeyFrom(highest.key, highest.ksn, type, options);
  }
}

function bitNumber(bit: number): number {
  return 31 - Math.clz32(bit);
}

function requireInitialKsn(counter: number): void {
  if (counter !== 0) {
    throw new DukptError(
      'DUKPT_KSN_NOT_INITIAL',
      `KSN of an initial key: expected transaction counter 0, got 0x${counter.toString(16).toUpperCase()}`,
    );
  }
}

function parseState(
  { tag, counter: rule, ksnBytes, keyLengths, ksnCounter }: RegisterScheme,
  state: Uint8Array,
): { ksn: Uint8Array; counter: number; keyBytes: number } {
  const keyBytes = state[2] ?? 0;
  if (state[0] !== stateVersion || state[1] !== tag || !keyLengths.includes(keyBytes)) {
    throw new DukptError('DUKPT_STATE_INVALID', 'state: expected registers of this algorithm, version 1');
  }
  const keysAt = stateHeaderBytes + ksnBytes;
  if (state.length < keysAt) {
    throw new DukptError(
      'DUKPT_STATE_INVALID',
      `state: expected a KSN of ${ksnBytes} bytes, got ${state.length} in all`,
    );
  }
  const ksn = state.subarray(stateHeaderBytes, keysAt);
  const counter = ksnCounter(ksn);
  if (counter !== 0 && !isTransactionCounter(rule, counter)) {
    throw new DukptError('DUKPT_STATE_INVALID', 'state: expected the counter of a transaction');
  }
  const length = keysAt + countOneBits(filledRegisters(rule, counter)) * keyBytes;
  if (state.length !== length) {
    throw new DukptError('DUKPT_STATE_INVALID', `state: expected ${length} bytes, got ${state.length}`);
  }
  return { ksn, counter, keyBytes };
}
