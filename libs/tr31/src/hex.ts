/** Hex at the edges, for ciphertext and MACs: upper case out, either case in. */

const lowerCase = 0x40;
const noDigit = 0x80;

/** By character code: the value of the digit, with `lowerCase` added, or `noDigit`. */
const digits = new Uint8Array(128).fill(noDigit);
for (let value = 0; value < 16; value++) {
  const upper = value.toString(16).toUpperCase();
  digits[upper.toLowerCase().charCodeAt(0)] = value | lowerCase;
  digits[upper.charCodeAt(0)] = value;
}

/** Bytes of the hex digits in `text` from `start` to `end`, which the caller has checked. */
export function fromHex(text: string, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array((end - start) >>> 1);
  for (let i = 0, at = start; i < bytes.length; i++, at += 2) {
    bytes[i] = (digits[text.charCodeAt(at)]! << 4) | (digits[text.charCodeAt(at + 1)]! & 15);
  }
  return bytes;
}

const byteAsHex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, '0'));

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += byteAsHex[bytes[i]!];
  return text;
}

/** Whether the range holds hex digits only, and whether some of them are in lower case. */
export function hexForm(text: string, start: number, end: number): 'upper' | 'mixed' | 'none' {
  let seen = 0;
  for (let at = start; at < end; at++) seen |= digits[text.charCodeAt(at)] ?? noDigit;
  if (seen & noDigit) return 'none';
  return seen & lowerCase ? 'mixed' : 'upper';
}

/** The printable characters of `text` from `start` to `end` as bytes. */
export function asciiBytes(text: string, start = 0, end = text.length): Uint8Array {
  const bytes = new Uint8Array(end - start);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(start + i);
  return bytes;
}
