import { aes, aes128EncryptOnce, type CipherEngine } from '@openkdh/block-ciphers';
import { aesCounter, requireTransactionCounter } from './counter.ts';
import { DukptError, requireLength } from './errors.ts';
import { KeyPath, type Step, walk } from './key-path.ts';
import { aesInitialKeyIdBytes, aesKsnAt, aesKsnBytes, aesKsnCounter } from './ksn.ts';
import { type AesKeyType, type AesKeyUsage, aesKeyTypes, aesKeyUsages, initialKeyUsage } from './tables.ts';

/** How to derive a working key. */
export interface WorkingKeyOptions {
  /**
   * Lets a working key be longer than the BDK. ANSI X9.24-3:2017, 6.1.3 forbids it, yet the ASC X9 supplement
   * itself derives 3TDEA keys from a BDK of 128 bits. Default false: DUKPT_KEY_TOO_STRONG.
   */
  readonly allowStrongerWorkingKey?: boolean;
  /** Default 'table'. */
  readonly engine?: CipherEngine;
}

/** The counter of the DUKPT Update Key: exempt from the rule of 16 one-bits, never a transaction. X9.24-3:2017, 6.5.2. */
export const updateKeyCounter = 0xffffffff;

/**
 * The initial key (IK) of a terminal, as long as the BDK. ANSI X9.24-3:2017, 6.3. Called by the key distribution
 * host, never by a terminal.
 *
 * `bdk`: 16, 24 or 32 bytes; `initialKeyId`: the first 8 bytes of the KSN.
 */
export function deriveAesInitialKey(
  bdk: Uint8Array,
  initialKeyId: Uint8Array,
  engine: CipherEngine = 'table',
): Uint8Array {
  requireAesKey(bdk, 'BDK of AES DUKPT');
  requireInitialKeyId(initialKeyId);
  const data = derivationData(initialKeyUsage, keyTypeOf(bdk.length));
  data.set(initialKeyId, 8); // all of it, here only
  const initialKey = new Uint8Array(bdk.length);
  deriveInto(initialKey, bdk, data, engine);
  return initialKey;
}

/**
 * The key of one transaction (the intermediate derivation key of its counter) from the initial key, and as long.
 * ANSI X9.24-3:2017, 6.3. Called by the host; the terminal has its registers.
 *
 * `initialKey`: 16, 24 or 32 bytes; `ksn`: 12 bytes. Refuses a counter that no terminal uses with
 * DUKPT_COUNTER_INVALID. It only derives: see `deriveAesWorkingKey`.
 */
export function deriveAesTransactionKey(
  initialKey: Uint8Array,
  ksn: Uint8Array,
  engine: CipherEngine = 'table',
): Uint8Array {
  requireAesKey(initialKey, 'initial key of AES DUKPT');
  const counter = aesKsnCounter(ksn);
  requireTransactionCounter(aesCounter, counter);
  const key = new Uint8Array(initialKey);
  walk(key, 0, counter, aesStep(ksn, initialKey.length, engine));
  return key;
}

/** The same from the BDK, 16, 24 or 32 bytes: what a host does that keeps nothing about its terminals. */
export function deriveAesTransactionKeyFromBdk(
  bdk: Uint8Array,
  ksn: Uint8Array,
  engine: CipherEngine = 'table',
): Uint8Array {
  const counter = aesKsnCounter(ksn);
  requireTransactionCounter(aesCounter, counter);
  const key = deriveAesInitialKey(bdk, ksn.subarray(0, aesInitialKeyIdBytes), engine);
  walk(key, 0, counter, aesStep(ksn, key.length, engine));
  return key;
}

/**
 * A working key from the transaction key at `ksn`. ANSI X9.24-3:2017, 6.3. Called by the host and the terminal.
 *
 * `transactionKey`: 16, 24 or 32 bytes, as long as the BDK; `ksn`: 12 bytes. A type longer than the BDK is refused
 * with DUKPT_KEY_TOO_STRONG unless the options allow it.
 */
export function deriveAesWorkingKey(
  transactionKey: Uint8Array,
  ksn: Uint8Array,
  usage: AesKeyUsage,
  type: AesKeyType,
  options: WorkingKeyOptions = {},
): Uint8Array {
  requireTransactionCounter(aesCounter, aesKsnCounter(ksn));
  return workingKeyAt(transactionKey, ksn, usage, type, options);
}

/**
 * The DUKPT Update Key, which encrypts a new initial key on its way to the terminal. ANSI X9.24-3:2017, 6.5.2 and
 * 6.5.3. Called by the host; the terminal asks its registers.
 *
 * `initialKey`: 16, 24 or 32 bytes; `initialKeyId`: 8 bytes.
 */
export function deriveAesUpdateKey(
  initialKey: Uint8Array,
  initialKeyId: Uint8Array,
  type: AesKeyType,
  options: WorkingKeyOptions = {},
): Uint8Array {
  requireAesKey(initialKey, 'initial key of AES DUKPT');
  requireInitialKeyId(initialKeyId);
  const ksn = new Uint8Array(aesKsnBytes);
  ksn.set(initialKeyId);
  return updateKeyFrom(new Uint8Array(initialKey), ksn, type, options);
}

/**
 * Transaction keys of one terminal for a host that sees its traffic in order: keeps the keys on the way to the last
 * counter, so that the next one costs one step in place of one for each one-bit. Holds up to 17 keys until `wipe`.
 */
export class AesKeyPath {
  readonly #initialKeyId: Uint8Array;
  readonly #path: KeyPath;

  /** `initialKey`: 16, 24 or 32 bytes, copied; `ksn`: any KSN of the terminal, 12 bytes. */
  constructor(initialKey: Uint8Array, ksn: Uint8Array, engine: CipherEngine = 'table') {
    requireAesKey(initialKey, 'initial key of AES DUKPT');
    this.#path = new KeyPath(initialKey, aesCounter.maxOneBits, aesStep(ksn, initialKey.length, engine));
    this.#initialKeyId = new Uint8Array(ksn.subarray(0, aesInitialKeyIdBytes));
  }

  /**
   * The transaction key at a KSN, as `deriveAesTransactionKey` gives it. Any order is right, rising order is fast.
   * Refuses the KSN of another terminal with DUKPT_KSN_FOREIGN.
   */
  transactionKey(ksn: Uint8Array): Uint8Array {
    const counter = aesKsnCounter(ksn);
    requireTransactionCounter(aesCounter, counter);
    for (let i = 0; i < aesInitialKeyIdBytes; i++) {
      if (this.#initialKeyId[i] !== ksn[i]) {
        throw new DukptError(
          'DUKPT_KSN_FOREIGN',
          'KSN: expected one of the terminal whose initial key this is',
        );
      }
    }
    return this.#path.keyAt(counter);
  }

  /** Fills all keys with zeros; afterwards `transactionKey` throws DUKPT_WIPED. */
  wipe(): void {
    this.#path.wipe();
  }
}

export function requireAesKey(key: Uint8Array, what: string): void {
  requireLength(key, [16, 24, 32], 'DUKPT_KEY_LENGTH', what);
}

function requireInitialKeyId(initialKeyId: Uint8Array): void {
  requireLength(initialKeyId, [aesInitialKeyIdBytes], 'DUKPT_KSN_LENGTH', 'initial key id');
}

/** The step of one terminal to an intermediate derivation key, always of the BDK's type. ANSI X9.24-3:2017, 6.3. */
export function aesStep(ksn: Uint8Array, keyBytes: number, engine: CipherEngine): Step {
  requireLength(ksn, [aesKsnBytes], 'DUKPT_KSN_LENGTH', 'KSN of AES DUKPT');
  const data = derivationData(aesKeyUsages.KEY_DERIVATION, keyTypeOf(keyBytes));
  data.set(ksn.subarray(4, 8), 8);
  return (key, counter) => {
    data[12] = counter >>> 24;
    data[13] = counter >>> 16;
    data[14] = counter >>> 8;
    data[15] = counter;
    deriveInto(key, key, data, engine);
  };
}

/**
 * The update key from the key at `ksn`, whose counter is 0 or all ones down to some bit: walks on to FFFFFFFF.
 * Wipes `key`.
 */
export function updateKeyFrom(
  key: Uint8Array,
  ksn: Uint8Array,
  type: AesKeyType,
  options: WorkingKeyOptions,
): Uint8Array {
  try {
    const step = aesStep(ksn, key.length, options.engine ?? 'table');
    walk(key, aesKsnCounter(ksn), updateKeyCounter, step);
    return workingKeyAt(key, aesKsnAt(ksn, updateKeyCounter), 'KEK', type, options);
  } finally {
    key.fill(0);
  }
}

/** A working key at any counter: the rule of `deriveAesWorkingKey` without the check of the counter. */
export function workingKeyAt(
  transactionKey: Uint8Array,
  ksn: Uint8Array,
  usage: AesKeyUsage,
  type: AesKeyType,
  { allowStrongerWorkingKey = false, engine = 'table' }: WorkingKeyOptions,
): Uint8Array {
  requireAesKey(transactionKey, 'transaction key of AES DUKPT');
  if (!Object.hasOwn(aesKeyUsages, usage)) {
    throw new DukptError('DUKPT_KEY_USAGE', `key usage: expected ${Object.keys(aesKeyUsages)}, got ${usage}`);
  }
  if (!Object.hasOwn(aesKeyTypes, type)) {
    throw new DukptError('DUKPT_KEY_TYPE', `key type: expected ${Object.keys(aesKeyTypes)}, got ${type}`);
  }
  const { keyBytes } = aesKeyTypes[type];
  if (keyBytes > transactionKey.length && !allowStrongerWorkingKey) {
    throw new DukptError(
      'DUKPT_KEY_TOO_STRONG',
      `working key of type ${type}: expected at most the BDK's ${transactionKey.length * 8} bits, got ${keyBytes * 8}`,
    );
  }
  const data = derivationData(aesKeyUsages[usage], type);
  data.set(ksn.subarray(4), 8);
  const key = new Uint8Array(keyBytes);
  deriveInto(key, transactionKey, data, engine);
  return key;
}

function keyTypeOf(keyBytes: number): AesKeyType {
  return keyBytes === 16 ? 'AES128' : keyBytes === 24 ? 'AES192' : 'AES256';
}

/**
 * Derivation data, ANSI X9.24-3:2017, 6.3:
 * version[1] block counter[1] usage[2] algorithm[2] length in bits[2], then
 * for the initial key its id[8], for every other key derivation id[4] transaction counter[4].
 */
function derivationData(usage: number, type: AesKeyType): Uint8Array {
  const { algorithmId, keyBytes } = aesKeyTypes[type];
  const data = new Uint8Array(16);
  data[0] = 0x01; // version
  data[1] = 0x01; // block counter
  data[2] = usage >>> 8;
  data[3] = usage;
  data[4] = algorithmId >>> 8;
  data[5] = algorithmId;
  data[6] = (keyBytes * 8) >>> 8;
  data[7] = keyBytes * 8;
  return data;
}

/** Encrypts the derivation data, a second time with block counter 2 where more than 16 bytes are wanted. */
function deriveInto(target: Uint8Array, key: Uint8Array, data: Uint8Array, engine: CipherEngine): void {
  if (target.length === 16 && key.length === 16 && engine === 'table') {
    aes128EncryptOnce(key, 0, data, 0, target, 0); // every step of a 128-bit BDK
    return;
  }
  const cipher = aes(key, engine); // has its copy of the key: target may be the key itself
  data[1] = 0x01;
  cipher.encryptBlock(data, 0, target, 0);
  if (target.length > 16) {
    const second = new Uint8Array(16);
    data[1] = 0x02;
    cipher.encryptBlock(data, 0, second, 0);
    target.set(second.subarray(0, target.length - 16), 16);
    second.fill(0);
  }
  cipher.wipe();
}
