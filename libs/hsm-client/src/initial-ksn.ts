import { HsmError } from './errors.ts';

/**
 * An initial KSN as upper-case hex, checked. AES: initial key id, 8 bytes. TDES: 10 bytes, the lowest 21 bits are the
 * transaction counter and zero (ANSI X9.24-1:2009, A.2). Throws HSM_BAD_REQUEST.
 */
export function initialKsnHex(scheme: 'AES' | 'TDES', ksn: Uint8Array): string {
  const expectedBytes = scheme === 'AES' ? 8 : 10;
  if (ksn.length !== expectedBytes) {
    throw new HsmError(
      'HSM_BAD_REQUEST',
      `initial KSN: expected ${expectedBytes} bytes for ${scheme}, got ${ksn.length}`,
    );
  }
  if (scheme === 'TDES' && ((ksn[7]! & 0x1f) | ksn[8]! | ksn[9]!) !== 0) {
    throw new HsmError('HSM_BAD_REQUEST', 'initial KSN: expected the 21 counter bits to be zero');
  }
  return Buffer.from(ksn).toString('hex').toUpperCase();
}
