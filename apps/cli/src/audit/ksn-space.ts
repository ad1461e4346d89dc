/** Where an initial KSN lies: which BDK, and which device of it. */
export interface KsnSpace {
  /** TDES: key set id, 10 hex digits. AES: BDK id, 8 hex digits. */
  readonly bdkId: string;
  readonly device: bigint;
}

/**
 * Takes an initial KSN in upper-case hex apart; undefined for what is none. Its transaction counter is zero.
 * TDES, 10 bytes: key set id (40 bits), device (19), counter (21): ANSI X9.24-1:2009, A.
 * AES, 12 bytes: BDK id (32 bits), derivation id (32), counter (32): ANSI X9.24-3:2017, 6.1.
 */
export function ksnSpace(ksn: string): KsnSpace | undefined {
  if (/^[0-9A-F]{20}$/.test(ksn)) {
    const register = BigInt(`0x${ksn.slice(10)}`);
    return register % (1n << 21n) === 0n ? { bdkId: ksn.slice(0, 10), device: register >> 21n } : undefined;
  }
  if (/^[0-9A-F]{16}0{8}$/.test(ksn))
    return { bdkId: ksn.slice(0, 8), device: BigInt(`0x${ksn.slice(8, 16)}`) };
  return undefined;
}
