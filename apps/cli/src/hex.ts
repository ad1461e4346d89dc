/** Hex at the edge of the process. Key material goes from digits to bytes without a string in between where it can. */

/** The bytes that ASCII hex digits of either case write; undefined for anything else. The caller wipes the result. */
export function hexBytes(digits: Uint8Array): Uint8Array | undefined {
  if (digits.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    const high = nibble(digits[2 * at]!);
    const low = nibble(digits[2 * at + 1]!);
    if (high < 0 || low < 0) {
      bytes.fill(0);
      return undefined;
    }
    bytes[at] = (high << 4) | low;
  }
  return bytes;
}

function nibble(digit: number): number {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30; // 0 to 9
  const letter = digit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1; // a to f
}

/** Upper-case hex. */
export function upperHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex').toUpperCase();
}

/** Upper-case hex of a key that is shown because it was asked for; the bytes are wiped. */
export function takeHex(key: Uint8Array): string {
  const digits = upperHex(key);
  key.fill(0);
  return digits;
}

/** ASCII of the upper-case hex of a key, for a file: no string has it. The caller wipes both. */
export function asciiHex(bytes: Uint8Array): Uint8Array {
  const digits = new Uint8Array(2 * bytes.length);
  for (const [at, byte] of bytes.entries()) {
    digits[2 * at] = digitOf(byte >> 4);
    digits[2 * at + 1] = digitOf(byte & 0x0f);
  }
  return digits;
}

function digitOf(nibble: number): number {
  return nibble < 10 ? 0x30 + nibble : 0x41 + nibble - 10;
}
