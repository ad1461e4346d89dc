import { AsnConvert } from '@peculiar/asn1-schema';
import { PkiError } from './errors.ts';

/**
 * Parses a structure from exactly the bytes given.
 * @throws PkiError PKI_MALFORMED; `what` names the structure
 */
export function parseDer<T>(der: Uint8Array, type: new () => T, what: string): T {
  try {
    if (derLength(der) === der.length) return AsnConvert.parse(der, type);
  } catch {
    // told below: the parser's own message adds nothing
  }
  throw new PkiError('PKI_MALFORMED', `${what} expected, ${der.length} other bytes came`);
}

/** Length in bytes of the first element, tag and length included: X.690, 8.1.3 (definite form). */
function derLength(der: Uint8Array): number {
  const first = der[1] ?? 0;
  if (first < 0x80) return 2 + first;
  return (
    der.subarray(2, 2 + (first & 0x7f)).reduce((length, byte) => length * 256 + byte, 0) + 2 + (first & 0x7f)
  );
}
