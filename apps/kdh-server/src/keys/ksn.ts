/** Initial KSNs as the KDH gives them out: counter zero, one device number each, never the same twice (I1). */

export type DukptScheme = 'AES' | 'TDES';

/** Device numbers of one BDK id. TDES: 19 bits beside a 40-bit key set id; AES: the 32-bit derivation id. */
export const lastDevice: Record<DukptScheme, bigint> = {
  TDES: (1n << 19n) - 1n,
  AES: (1n << 32n) - 1n,
};

/** Hex digits of a BDK id: TDES key set id 5 bytes, AES BDK id 4 bytes. ANSI X9.24-1 and X9.24-3. */
export const bdkIdHexDigits: Record<DukptScheme, number> = { TDES: 10, AES: 8 };

/** The last part of a space is never given out, so that its end cannot come as a surprise. */
const USABLE_PERCENT = 99n;

/** The most initial keys that a BDK of a scheme may ever give. */
export const mostDevices: Record<DukptScheme, bigint> = {
  TDES: (lastDevice.TDES * USABLE_PERCENT) / 100n,
  AES: (lastDevice.AES * USABLE_PERCENT) / 100n,
};

/** A space is short once this share of what the BDK may give is given. */
const WARN_PERCENT = 80n;

/** Whether a space becomes short while its next device number goes from `before` to `after`. */
export function crossesWarning(before: bigint, after: bigint, maxDevices: bigint): boolean {
  const isShort = (nextDevice: bigint) => (nextDevice - 1n) * 100n >= maxDevices * WARN_PERCENT;
  return isShort(after) && !isShort(before);
}

/** How many initial keys a BDK may still give. */
export function devicesLeft({ nextDevice, maxDevices }: { nextDevice: bigint; maxDevices: bigint }): bigint {
  return maxDevices + 1n - nextDevice;
}

/**
 * Initial KSN, upper-case hex. TDES, 10 bytes: key set id (40 bits), device number (19 bits), counter (21 bits, zero).
 * AES, 12 bytes: BDK id (32 bits), derivation id (32 bits), counter (32 bits, zero).
 */
export function initialKsn(scheme: DukptScheme, bdkId: string, device: bigint): string {
  if (device < 1n || device > lastDevice[scheme])
    throw new RangeError(`device number outside 1..${lastDevice[scheme]}`);
  if (scheme === 'TDES') return bdkId + (device << 21n).toString(16).toUpperCase().padStart(10, '0');
  return `${bdkId}${device.toString(16).toUpperCase().padStart(8, '0')}00000000`;
}

/** The device number of an initial KSN. */
export function deviceOf(scheme: DukptScheme, ksn: string): bigint {
  const register = BigInt(`0x${ksn.slice(bdkIdHexDigits[scheme])}`);
  return register >> (scheme === 'TDES' ? 21n : 32n);
}

/** What the HSM derives from: AES the 8-byte initial key id, TDES the 10-byte KSN with counter zero. */
export function derivationInput(scheme: DukptScheme, ksn: string): Uint8Array {
  const bytes = Buffer.from(ksn, 'hex');
  return scheme === 'AES' ? bytes.subarray(0, 8) : bytes;
}

/** The optional block that binds the KSN to the key: IK for AES, KS for TDES. X9.143:2021 6.3.6.6 and 6.3.6.8. */
export function ksnOptionalBlock(scheme: DukptScheme, ksn: string): { id: string; data: string } {
  return scheme === 'AES' ? { id: 'IK', data: ksn.slice(0, 16) } : { id: 'KS', data: ksn };
}
