/** Hex at the edges: upper case out; in, the caller asks for the case. Key data pass through bytes only. */

const digitValue = new Uint8Array(128).fill(0xff);
for (let i = 0; i < 16; i++) digitValue['0123456789ABCDEF'.charCodeAt(i)] = i;
for (let i = 10; i < 16; i++) digitValue['abcdef'.charCodeAt(i - 10)] = i;

/** Bytes of the hex digits in `text` from `start` to `end`, which the caller has checked. */
export function fromHex(text: string, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array((end - start) >>> 1);
  for (let i = 0, at = start; i < bytes.length; i++, at += 2) {
    bytes[i] = (digitValue[text.charCodeAt(at)]! << 4) | digitValue[text.charCodeAt(at + 1)]!;
  }
  return bytes;
}

const byteAsHex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, '0'));

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += byteAsHex[bytes[i]!];
  return text;
}

/** Position of the first character in the range that is no hex digit, or −1. */
export function firstNonHex(text: string, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code > 127 || digitValue[code]! > 15) return at;
  }
  return -1;
}

/** Position of the first lower-case hex digit in the range, or −1. */
export function firstLowerCase(text: string, start: number, end: number): number {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) > 0x60) return at;
  return -1;
}

/** The printable characters of `text` as bytes. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
