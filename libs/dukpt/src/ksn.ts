import { aesCounter, type CounterRule, nextCounter, tdesCounter } from './counter.ts';
import { DukptError, requireLength } from './errors.ts';

/**
 * The fields of a key serial number of TDES DUKPT, 80 bits on the wire: key set id (5 bytes), device id (19 bits),
 * transaction counter (21 bits). ANSI X9.24-1:2009, A.1; X9.24-3:2017, C.2.
 */
export interface TdesKsn {
  /** 5 bytes; names the BDK. */
  readonly keySetId: Uint8Array;
  /** 0 to 0x7FFFF. */
  readonly deviceId: number;
  /** 0 to 0x1FFFFF; 0 in the initial KSN. Not every value is used in a transaction. */
  readonly counter: number;
}

/**
 * The fields of a key serial number of AES DUKPT, 96 bits on the wire: BDK id, derivation id, transaction counter,
 * 4 bytes each. The first 8 bytes are the initial key id. ANSI X9.24-3:2017, 6.1.
 */
export interface AesKsn {
  /** 4 bytes. */
  readonly bdkId: Uint8Array;
  /** 4 bytes; names the terminal under its BDK. */
  readonly derivationId: Uint8Array;
  /** 0 to 0xFFFFFFFF; 0 in the initial KSN. Not every value is used in a transaction. */
  readonly counter: number;
}

export const tdesKsnBytes = 10;
export const aesKsnBytes = 12;
export const aesInitialKeyIdBytes = 8;

/** Splits a KSN of TDES DUKPT into its fields. `ksn`: 10 bytes, else DUKPT_KSN_LENGTH. */
export function parseTdesKsn(ksn: Uint8Array): TdesKsn {
  const counter = tdesKsnCounter(ksn);
  return {
    keySetId: new Uint8Array(ksn.subarray(0, 5)),
    deviceId: (ksn[5]! << 11) | (ksn[6]! << 3) | (ksn[7]! >>> 5),
    counter,
  };
}

/** The 10 bytes of a KSN of TDES DUKPT. Refuses a field beyond its width with DUKPT_KSN_FIELD. */
export function formatTdesKsn({ keySetId, deviceId, counter }: TdesKsn): Uint8Array {
  requireLength(keySetId, [5], 'DUKPT_KSN_FIELD', 'key set id');
  requireWidth(deviceId, 19, 'device id');
  requireWidth(counter, 21, 'transaction counter');
  const ksn = new Uint8Array(tdesKsnBytes);
  ksn.set(keySetId);
  ksn[5] = deviceId >>> 11;
  ksn[6] = deviceId >>> 3;
  ksn[7] = deviceId << 5;
  setTdesKsnCounter(ksn, counter);
  return ksn;
}

/** Splits a KSN of AES DUKPT into its fields. `ksn`: 12 bytes, else DUKPT_KSN_LENGTH. */
export function parseAesKsn(ksn: Uint8Array): AesKsn {
  const counter = aesKsnCounter(ksn);
  return {
    bdkId: new Uint8Array(ksn.subarray(0, 4)),
    derivationId: new Uint8Array(ksn.subarray(4, 8)),
    counter,
  };
}

/** The 12 bytes of a KSN of AES DUKPT. Refuses a field beyond its width with DUKPT_KSN_FIELD. */
export function formatAesKsn({ bdkId, derivationId, counter }: AesKsn): Uint8Array {
  requireLength(bdkId, [4], 'DUKPT_KSN_FIELD', 'BDK id');
  requireLength(derivationId, [4], 'DUKPT_KSN_FIELD', 'derivation id');
  requireWidth(counter, 32, 'transaction counter');
  const ksn = new Uint8Array(aesKsnBytes);
  ksn.set(bdkId);
  ksn.set(derivationId, 4);
  setAesKsnCounter(ksn, counter);
  return ksn;
}

/**
 * Fills a KSN of TDES DUKPT to 10 bytes, with FF on the left: older terminals send 8 or 9, leaving out the fill of
 * the key set id. Other lengths are refused with DUKPT_KSN_LENGTH.
 */
export function padTdesKsn(ksn: Uint8Array): Uint8Array {
  requireLength(ksn, [8, 9, 10], 'DUKPT_KSN_LENGTH', 'KSN of TDES DUKPT');
  const padded = new Uint8Array(tdesKsnBytes).fill(0xff);
  padded.set(ksn, tdesKsnBytes - ksn.length);
  return padded;
}

/** The initial KSN of a terminal: the same KSN with a counter of zero. 10 bytes in and out. */
export function initialTdesKsn(ksn: Uint8Array): Uint8Array {
  return tdesKsnAt(ksn, 0);
}

/** The initial KSN of a terminal: the same KSN with a counter of zero. 12 bytes in and out. */
export function initialAesKsn(ksn: Uint8Array): Uint8Array {
  return aesKsnAt(ksn, 0);
}

/**
 * The KSN of the next transaction (10 bytes in and out), skipping counters with more than 10 one-bits.
 * DUKPT_EXHAUSTED after the last one, for ever.
 */
export function nextTdesKsn(ksn: Uint8Array): Uint8Array {
  return tdesKsnAt(ksn, requireNextCounter(tdesCounter, tdesKsnCounter(ksn)));
}

/**
 * The KSN of the next transaction (12 bytes in and out), skipping counters with more than 16 one-bits.
 * DUKPT_EXHAUSTED after the last one, for ever.
 */
export function nextAesKsn(ksn: Uint8Array): Uint8Array {
  return aesKsnAt(ksn, requireNextCounter(aesCounter, aesKsnCounter(ksn)));
}

/** The transaction counter of a 10-byte KSN: the low 21 bits. */
export function tdesKsnCounter(ksn: Uint8Array): number {
  requireLength(ksn, [tdesKsnBytes], 'DUKPT_KSN_LENGTH', 'KSN of TDES DUKPT');
  return ((ksn[7]! & 0x1f) << 16) | (ksn[8]! << 8) | ksn[9]!;
}

/** The transaction counter of a 12-byte KSN: the last 4 bytes. */
export function aesKsnCounter(ksn: Uint8Array): number {
  requireLength(ksn, [aesKsnBytes], 'DUKPT_KSN_LENGTH', 'KSN of AES DUKPT');
  return ((ksn[8]! << 24) | (ksn[9]! << 16) | (ksn[10]! << 8) | ksn[11]!) >>> 0;
}

/** A copy of a 10-byte KSN with another counter. */
export function tdesKsnAt(ksn: Uint8Array, counter: number): Uint8Array {
  requireLength(ksn, [tdesKsnBytes], 'DUKPT_KSN_LENGTH', 'KSN of TDES DUKPT');
  const copy = new Uint8Array(ksn); // not slice: a Buffer would share its memory
  setTdesKsnCounter(copy, counter);
  return copy;
}

/** A copy of a 12-byte KSN with another counter. */
export function aesKsnAt(ksn: Uint8Array, counter: number): Uint8Array {
  requireLength(ksn, [aesKsnBytes], 'DUKPT_KSN_LENGTH', 'KSN of AES DUKPT');
  const copy = new Uint8Array(ksn); // not slice: a Buffer would share its memory
  setAesKsnCounter(copy, counter);
  return copy;
}

function setTdesKsnCounter(ksn: Uint8Array, counter: number): void {
  ksn[7] = (ksn[7]! & 0xe0) | (counter >>> 16);
  ksn[8] = counter >>> 8;
  ksn[9] = counter;
}

function setAesKsnCounter(ksn: Uint8Array, counter: number): void {
  ksn[8] = counter >>> 24;
  ksn[9] = counter >>> 16;
  ksn[10] = counter >>> 8;
  ksn[11] = counter;
}

function requireNextCounter(rule: CounterRule, counter: number): number {
  const next = nextCounter(rule, counter);
  if (next === undefined) {
    throw new DukptError(
      'DUKPT_EXHAUSTED',
      'the last transaction counter was used: the terminal needs a new key',
    );
  }
  return next;
}

function requireWidth(value: number, bits: number, what: string): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new DukptError('DUKPT_KSN_FIELD', `${what}: expected an integer of ${bits} bits, got ${value}`);
  }
}
