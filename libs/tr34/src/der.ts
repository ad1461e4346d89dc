/**
 * DER (ITU-T X.690) on bytes, the part that CMS and X.509 need.
 *
 * node-forge's asn1 converts object identifiers and times. Tags and lengths are walked here: its parser turns values
 * into strings, which the clear key in a key block must never become; its tree has no byte ranges, and signatures are
 * verified over the bytes as encoded; and it takes lengths that are not DER.
 */
import forge from 'node-forge';
import { Tr34Error } from './errors.ts';

/** Identifier octets, X.690 8.1.2. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Identifier octet of `[number]`, constructed. */
export const contextTag = (number: number): number => 0xa0 | number;

/** Identifier octet of `[number] IMPLICIT`, primitive. */
export const primitiveTag = (number: number): number => 0x80 | number;

/** One value as encoded. Both members are views into the input. */
export interface Der {
  readonly tag: number;
  /** Tag, length and content. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

const malformed = (message: string): Tr34Error => new Tr34Error('TR34_MALFORMED', message);
const tagName = (tag: number): string => `tag ${tag.toString(16).toUpperCase().padStart(2, '0')}`;

/** Reads the members of a structure in order; every refusal names the structure and the field. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #structure: string;
  #offset = 0;

  constructor(content: Uint8Array, structure: string) {
    this.#bytes = content;
    this.#structure = structure;
  }

  /** The tag of the next member; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** The next member, whatever its tag. */
  any(field: string): Der {
    const { start, end } = this.#measure(field);
    const bytes = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return { tag: bytes[0] as number, bytes, content: this.#bytes.subarray(start, end) };
  }

  /** The next member, which must have this tag. */
  next(tag: number, field: string): Der {
    if (this.nextTag !== tag) {
      const came = this.nextTag === undefined ? 'the end' : tagName(this.nextTag);
      throw this.#refuse(field, `expected ${tagName(tag)}, got ${came}`);
    }
    return this.any(field);
  }

  /** The next member if it has this tag. */
  optional(tag: number, field: string): Der | undefined {
    return this.nextTag === tag ? this.any(field) : undefined;
  }

  /** The next member, a constructed one, opened. */
  enter(tag: number, field: string): DerReader {
    return new DerReader(this.next(tag, field).content, `${this.#structure}.${field}`);
  }

  /** All members that are left; each must have this tag. */
  rest(tag: number, field: string): Der[] {
    const members: Der[] = [];
    while (this.nextTag !== undefined) members.push(this.next(tag, field));
    return members;
  }

  /** Refuses members that the structure does not have. */
  end(): void {
    if (this.nextTag !== undefined) {
      throw malformed(`${this.#structure}: ${this.#bytes.length - this.#offset} bytes follow the last field`);
    }
  }

  // Definite lengths in the fewest octets only (X.690 10.1), so that one structure has one encoding.
  #measure(field: string): { start: number; end: number } {
    const tag = this.#bytes[this.#offset];
    const first = this.#bytes[this.#offset + 1];
    if (tag === undefined || first === undefined) throw this.#refuse(field, 'no tag and length');
    if ((tag & 0x1f) === 0x1f) throw this.#refuse(field, 'a tag of several octets');
    let start = this.#offset + 2;
    let length = first;
    if (first >= 0x80) {
      const octets = first & 0x7f;
      if (octets === 0 || octets > 4) throw this.#refuse(field, `a length in ${octets} octets`);
      length = this.#bytes.subarray(start, start + octets).reduce((sum, octet) => sum * 256 + octet, 0);
      if (length < 0x80 || this.#bytes[start] === 0) {
        throw this.#refuse(field, 'a length in more octets than it needs, or cut off');
      }
      start += octets;
    }
    const end = start + length;
    if (end > this.#bytes.length) {
      throw this.#refuse(field, `expected ${length} bytes, got ${Math.max(0, this.#bytes.length - start)}`);
    }
    return { start, end };
  }

  #refuse(field: string, what: string): Tr34Error {
    return malformed(`${this.#structure}.${field}: ${what}`);
  }
}

/** The one value that fills `bytes`. */
export function readDer(bytes: Uint8Array, tag: number, name: string): Der {
  const reader = new DerReader(bytes, name);
  const der = reader.next(tag, 'value');
  reader.end();
  return der;
}

/** The members of the one constructed value that fills `bytes`. */
export function openDer(bytes: Uint8Array, tag: number, name: string): DerReader {
  return new DerReader(readDer(bytes, tag, name).content, name);
}

/** Dotted form of an OBJECT IDENTIFIER. Arcs of more than 53 bits are refused, as node-forge does not read them. */
export function oidOf(der: Der): string {
  const { content } = der;
  // X.690 8.19: the last octet of the last arc has bit 8 clear; node-forge does not look.
  if (der.tag === tags.oid && (content.at(-1) ?? 0x80) < 0x80) {
    try {
      return forge.asn1.derToOid(Buffer.from(content).toString('latin1'));
    } catch {
      // refused below
    }
  }
  throw malformed(`expected an OBJECT IDENTIFIER, got ${tagName(der.tag)} of ${content.length} bytes`);
}

/** A small INTEGER: a version or a count, 0 to 127. */
export function smallIntegerOf(der: Der): number {
  const [value] = der.content;
  if (der.tag !== tags.integer || der.content.length !== 1 || value === undefined || value > 127) {
    throw malformed(`expected a small INTEGER, got ${tagName(der.tag)} of ${der.content.length} bytes`);
  }
  return value;
}

// RFC 5280, 4.1.2.5: UTCTime YYMMDDHHMMSSZ (two-digit years are 1950 to 2049), GeneralizedTime YYYYMMDDHHMMSSZ.
const timePattern = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** A UTCTime or a GeneralizedTime in the form that RFC 5280 asks for. */
export function timeOf(der: Der): Date {
  const text = String.fromCharCode(...der.content.subarray(0, 32));
  const century = der.tag === tags.utcTime ? (text < '50' ? '20' : '19') : '';
  const known = der.tag === tags.utcTime || der.tag === tags.generalizedTime;
  const match = known ? timePattern.exec(century + text) : null;
  if (match) {
    const [year, month, day, hour, minute, second] = match.slice(1);
    const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
    const date = new Date(iso);
    // 31 February and 24:00 are carried over, and then read otherwise: neither is a time in DER.
    if (!Number.isNaN(date.getTime()) && date.toISOString() === iso) return date;
  }
  throw malformed(`expected a time ending in Z, got ${tagName(der.tag)} of ${der.content.length} bytes`);
}

/** The octets of a BIT STRING without unused bits. */
export function bitStringOctets(der: Der): Uint8Array {
  if (der.tag !== tags.bitString || der.content[0] !== 0) {
    throw malformed(`expected a BIT STRING of whole octets, got ${tagName(der.tag)}`);
  }
  return der.content.subarray(1);
}

/** Joins pieces of an encoding. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Equal bytes. Not constant time: for identifiers and public values. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

/** Tag, length, content. */
export function encode(tag: number, ...content: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const octets: number[] = [];
  if (length < 0x80) {
    octets.push(length);
  } else {
    for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
    octets.unshift(0x80 | octets.length);
  }
  return concat(Uint8Array.of(tag, ...octets), ...content);
}

export const sequence = (...members: readonly Uint8Array[]) => encode(tags.sequence, ...members);
export const octetString = (octets: Uint8Array) => encode(tags.octetString, octets);
export const nullValue = encode(tags.null);

/** SET OF in DER order: by encoding, a shorter one padded with zeros (X.690 11.6). */
export const setOf = (...members: readonly Uint8Array[]) => encode(tags.set, ...derOrder(members));

/** Members in the order that DER asks of a SET OF. */
export function derOrder(members: readonly Uint8Array[]): Uint8Array[] {
  return [...members].sort((a, b) => {
    const differs = a.findIndex((octet, i) => octet !== (b[i] ?? 0));
    if (differs < 0) return a.length - b.length;
    return (a[differs] as number) - (b[differs] ?? 0);
  });
}

/** A small INTEGER, 0 to 127. */
export const smallInteger = (value: number) => encode(tags.integer, Uint8Array.of(value));

/** An OBJECT IDENTIFIER from its dotted form. */
export const oid = (dotted: string) => encode(tags.oid, octetsOf(forge.asn1.oidToDer(dotted).getBytes()));

/** UTCTime to 2049, GeneralizedTime from 2050 (RFC 5652, 11.3). Milliseconds are dropped. */
export function time(date: Date): Uint8Array<ArrayBuffer> {
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050
    ? encode(tags.utcTime, octetsOf(forge.asn1.dateToUtcTime(date)))
    : encode(tags.generalizedTime, octetsOf(forge.asn1.dateToGeneralizedTime(date)));
}

/** The octets in one of node-forge's strings. */
const octetsOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
