import { desEncryptOnce, tdes, xor } from '@openkdh/block-ciphers';
import { requireTransactionCounter, tdesCounter } from './counter.ts';
import { DukptError, requireLength } from './errors.ts';
import { KeyPath, type Step, walk } from './key-path.ts';
import { initialTdesKsn, tdesKsnCounter } from './ksn.ts';
import { type TdesKeyUsage, tdesKeyUsages } from './tables.ts';

/** A TDES initial key, transaction key or working key is always two halves of 8 bytes. */
const keyBytes = 16;

/** Makes the second key of each pair: C0C0C0C000000000 for every 8 bytes. ANSI X9.24-1:2009, A.2 and A.6. */
const mask = Uint8Array.from({ length: 24 }, (_, i) => (i % 8 < 4 ? 0xc0 : 0x00));

/**
 * The initial key (IK, IPEK) of a terminal, 16 bytes, without parity adjustment. ANSI X9.24-1:2009, A.6;
 * X9.24-3:2017, C.7. Called by the key distribution host, never by a terminal.
 *
 * `bdk`: 16 or 24 bytes; `ksn`: 10 bytes, at any counter. No standard or implementation shows a BDK of 24 bytes:
 * the same rule is used, with the mask on each of its three parts.
 */
export function deriveTdesInitialKey(bdk: Uint8Array, ksn: Uint8Array): Uint8Array {
  requireLength(bdk, [16, 24], 'DUKPT_KEY_LENGTH', 'BDK of TDES DUKPT');
  const initialKsn = initialTdesKsn(ksn); // its left 8 bytes are encrypted
  const initialKey = new Uint8Array(keyBytes);
  const maskedBdk = xor(bdk, mask.subarray(0, bdk.length));
  const left = tdes(bdk);
  const right = tdes(maskedBdk);
  left.encryptBlock(initialKsn, 0, initialKey, 0);
  right.encryptBlock(initialKsn, 0, initialKey, 8);
  left.wipe();
  right.wipe();
  maskedBdk.fill(0);
  return initialKey;
}

/**
 * The key of one transaction, 16 bytes, from the initial key. ANSI X9.24-1:2009, A.3. Called by the host; the
 * terminal has its registers.
 *
 * `initialKey`: 16 bytes; `ksn`: 10 bytes. Refuses a counter that no terminal uses with DUKPT_COUNTER_INVALID.
 * A transaction key is never used as it is: see `deriveTdesWorkingKey`.
 */
export function deriveTdesTransactionKey(initialKey: Uint8Array, ksn: Uint8Array): Uint8Array {
  requireTdesInitialKey(initialKey);
  const counter = tdesKsnCounter(ksn);
  requireTransactionCounter(tdesCounter, counter);
  const key = new Uint8Array(initialKey);
  walk(key, 0, counter, tdesStep(ksn));
  return key;
}

/** The same from the BDK, 16 or 24 bytes: what a host does that keeps nothing about its terminals. */
export function deriveTdesTransactionKeyFromBdk(bdk: Uint8Array, ksn: Uint8Array): Uint8Array {
  const counter = tdesKsnCounter(ksn);
  requireTransactionCounter(tdesCounter, counter);
  const key = deriveTdesInitialKey(bdk, ksn);
  walk(key, 0, counter, tdesStep(ksn));
  return key;
}

/**
 * A working key, 16 bytes, from the transaction key of 16 bytes. Called by the host and the terminal.
 * ANSI X9.24-1:2009, A.4.1; the extra one-way step of data keys: figure A-2, and X9.24-3:2017, C.5.2, figure 6.
 */
export function deriveTdesWorkingKey(transactionKey: Uint8Array, usage: TdesKeyUsage): Uint8Array {
  requireLength(transactionKey, [keyBytes], 'DUKPT_KEY_LENGTH', 'transaction key of TDES DUKPT');
  if (!Object.hasOwn(tdesKeyUsages, usage)) {
    throw new DukptError(
      'DUKPT_KEY_USAGE',
      `key usage: expected ${Object.keys(tdesKeyUsages)}, got ${usage}`,
    );
  }
  const { invertedByte, oneWay } = tdesKeyUsages[usage];
  const key = new Uint8Array(transactionKey);
  key[invertedByte]! ^= 0xff;
  key[invertedByte + 8]! ^= 0xff;
  if (oneWay) {
    const cipher = tdes(key); // the variant encrypts its own halves
    cipher.encryptBlock(key, 0, key, 0);
    cipher.encryptBlock(key, 8, key, 8);
    cipher.wipe();
  }
  return key;
}

/**
 * Transaction keys of one terminal for a host that sees its traffic in order: keeps the keys on the way to the last
 * counter, so that the next one costs one step in place of one for each one-bit. Holds up to 11 keys until `wipe`.
 */
export class TdesKeyPath {
  readonly #initialKsn: Uint8Array;
  readonly #path: KeyPath;

  /** `initialKey`: 16 bytes, copied; `ksn`: any KSN of the terminal, 10 bytes. */
  constructor(initialKey: Uint8Array, ksn: Uint8Array) {
    requireTdesInitialKey(initialKey);
    this.#initialKsn = initialTdesKsn(ksn);
    this.#path = new KeyPath(initialKey, tdesCounter.maxOneBits, tdesStep(ksn));
  }

  /**
   * The transaction key at a KSN, 16 bytes, as `deriveTdesTransactionKey` gives it. Any order is right, rising order
   * is fast. Refuses the KSN of another terminal with DUKPT_KSN_FOREIGN.
   */
  transactionKey(ksn: Uint8Array): Uint8Array {
    const counter = tdesKsnCounter(ksn);
    requireTransactionCounter(tdesCounter, counter);
    const initial = this.#initialKsn;
    for (let i = 0; i < 8; i++) {
      if (initial[i] !== (i < 7 ? ksn[i]! : ksn[i]! & 0xe0)) {
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

export function requireTdesInitialKey(initialKey: Uint8Array): void {
  requireLength(initialKey, [keyBytes], 'DUKPT_KEY_LENGTH', 'initial key of TDES DUKPT');
}

// Working space of a step. One for all: a step runs to its end, and leaves zeros.
const block = new Uint8Array(8);
const newRight = new Uint8Array(8);

/**
 * The step of one terminal: the non-reversible key generation process. ANSI X9.24-1:2009, A.2; X9.24-3:2017, C.3.6.
 * With the key L ‖ R and the register r (right 8 bytes of the KSN, counter bits as far as set):
 * new right half = DES(L, r ⊕ R) ⊕ R; new left half the same from the masked key.
 */
export function tdesStep(ksn: Uint8Array): Step {
  const register = initialTdesKsn(ksn);
  const deviceIdBits = register[7]!; // the three above the counter
  return (key, counter) => {
    register[7] = deviceIdBits | (counter >>> 16);
    register[8] = counter >>> 8;
    register[9] = counter;
    for (let i = 0; i < 8; i++) block[i] = register[2 + i]! ^ key[8 + i]!;
    desEncryptOnce(key, 0, block, 0, block, 0);
    for (let i = 0; i < 8; i++) newRight[i] = block[i]! ^ key[8 + i]!;
    for (let i = 0; i < keyBytes; i++) key[i]! ^= mask[i]!;
    for (let i = 0; i < 8; i++) block[i] = register[2 + i]! ^ key[8 + i]!;
    desEncryptOnce(key, 0, block, 0, block, 0);
    for (let i = 0; i < 8; i++) {
      key[i] = block[i]! ^ key[8 + i]!;
      key[8 + i] = newRight[i]!;
      block[i] = newRight[i] = 0;
    }
  };
}
