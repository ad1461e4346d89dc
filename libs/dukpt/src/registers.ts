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
import { DukptError, requireLength } from './errors.ts';
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
  /** All registers, that of counter bit 0 first; zeros where `filledRegisters` has no bit. */
  readonly #registers: Uint8Array;
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
    this.#registers = new Uint8Array(scheme.counter.bits * keyBytes);
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
    const register = this.#register(used);
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
   * then all registers, that of counter bit 0 first; erased ones are zeros.
   */
  toState(): Uint8Array {
    const { tag, ksnBytes, ksnAt } = this.#scheme;
    const state = new Uint8Array(stateHeaderBytes + ksnBytes + this.#registers.length);
    state[0] = stateVersion;
    state[1] = tag;
    state[2] = this.#keyBytes;
    state.set(ksnAt(this.#ksn, this.#counter), stateHeaderBytes);
    state.set(this.#registers, stateHeaderBytes + ksnBytes);
    return state;
  }

  /** Fills all registers with zeros and ends the counter: tamper response, or a new key is coming. */
  wipe(): void {
    this.#registers.fill(0);
    this.#counter = 0;
  }

  protected fillAll(initialKey: Uint8Array): void {
    this.#fillBelow(this.#scheme.counter.bits, 0, initialKey);
  }

  protected fillFrom(registers: Uint8Array): void {
    this.#registers.set(registers);
  }

  /** A copy of the key in the highest filled register, and its KSN; undefined when exhausted. */
  protected highestKey(): TerminalTransaction | undefined {
    const filled = filledRegisters(this.#scheme.counter, this.#counter);
    if (filled === 0) return undefined;
    const bit = highestOneBit(filled);
    const counter = this.#counter - (this.#counter % bit) + (this.#counter & bit ? 0 : bit);
    return {
      ksn: this.#scheme.ksnAt(this.#ksn, counter),
      key: new Uint8Array(this.#register(bitNumber(bit))),
    };
  }

  #register(number: number): Uint8Array {
    return this.#registers.subarray(number * this.#keyBytes, (number + 1) * this.#keyBytes);
  }

  #fillBelow(used: number, counter: number, key: Uint8Array): void {
    for (let number = 0; number < used; number++) {
      const register = this.#register(number);
      register.set(key);
      this.#step(register, counter + 2 ** number);
    }
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
    const { ksn, counter, keys } = parseState(tdesScheme, state);
    const registers = new TdesDukptRegisters(ksn, counter);
    registers.fillFrom(keys);
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
    const { ksn, counter, keyBytes, keys } = parseState(aesScheme, state);
    const registers = new AesDukptRegisters(ksn, counter, keyBytes, engine);
    registers.fillFrom(keys);
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
): { ksn: Uint8Array; counter: number; keyBytes: number; keys: Uint8Array } {
  const keyBytes = state[2] ?? 0;
  if (state[0] !== stateVersion || state[1] !== tag || !keyLengths.includes(keyBytes)) {
    throw new DukptError('DUKPT_STATE_INVALID', 'state: expected registers of this algorithm, version 1');
  }
  const keysAt = stateHeaderBytes + ksnBytes;
  requireLength(state, [keysAt + rule.bits * keyBytes], 'DUKPT_STATE_INVALID', 'state');
  const ksn = state.subarray(stateHeaderBytes, keysAt);
  const counter = ksnCounter(ksn);
  if (counter !== 0 && !isTransactionCounter(rule, counter)) {
    throw new DukptError('DUKPT_STATE_INVALID', 'state: expected the counter of a transaction');
  }
  const keys = state.subarray(keysAt);
  const filled = filledRegisters(rule, counter);
  for (const [at, byte] of keys.entries()) {
    if (byte !== 0 && (filled & (1 << Math.floor(at / keyBytes))) === 0) {
      throw new DukptError('DUKPT_STATE_INVALID', 'state: expected zeros in the registers that were used');
    }
  }
  return { ksn, counter, keyBytes, keys };
}
