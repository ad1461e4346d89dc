/**
 * The header of the key block in a key token: that of TR-31 / X9.143, with a length field that means nothing. Clover
 * writes 0000, an AWS sample 9999, a sample of Annex B 0256.
 */
import { Tr34Error } from './errors.ts';

/** The bytes of a header. @throws TR34_HEADER_INVALID unless at least 16 printable characters */
export function headerBytes(header: string): Uint8Array {
  if (!/^[\x20-\x7e]{16,}$/.test(header)) {
    const came = `${header.length} characters`;
    throw new Tr34Error(
      'TR34_HEADER_INVALID',
      `expected a header of at least 16 printable characters, got ${came}`,
    );
  }
  return Uint8Array.from(header, (char) => char.charCodeAt(0));
}

/** The header in these bytes. @throws TR34_HEADER_INVALID */
export function headerText(octets: Uint8Array): string {
  const header = Buffer.from(octets).toString('latin1');
  headerBytes(header);
  return header;
}

/** What a header says of the key. ANSI X9.143:2021, 6.3. */
export interface KeyAttributes {
  readonly usage: string;
  readonly algorithm: string;
  readonly modeOfUse: string;
  readonly exportability: string;
}

/** Usage[5..6] algorithm[7] mode of use[8] exportability[11] of a header of at least 16 characters. */
export function keyAttributes(header: string): KeyAttributes {
  return {
    usage: header.slice(5, 7),
    algorithm: header.charAt(7),
    modeOfUse: header.charAt(8),
    exportability: header.charAt(11),
  };
}

/** Lengths in bytes of the keys of an algorithm. ANSI X9.143:2021, 6.3.2, table 3; of others any length. */
const keyLengths: Readonly<Record<string, readonly number[]>> = { A: [16, 24, 32], D: [8], T: [16, 24] };

/** @throws TR34_KEY_LENGTH when no key of the algorithm in the header has this length */
export function requireKeyLength(key: Uint8Array, header: string): void {
  const { algorithm } = keyAttributes(header);
  const allowed = keyLengths[algorithm];
  // Hex digits, as many as a key has bytes, would pass for another key.
  const isText = !(key instanceof Uint8Array);
  if (isText || key.length === 0 || (allowed && !allowed.includes(key.length))) {
    const expected = allowed?.join(' or ') ?? 'at least 1';
    const came = isText ? `a ${typeof key}` : (key as Uint8Array).length;
    throw new Tr34Error('TR34_KEY_LENGTH', `algorithm ${algorithm}: expected ${expected} bytes, got ${came}`);
  }
}
