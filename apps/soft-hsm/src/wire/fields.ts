import { Refusal } from '../answer-codes.ts';
import { maxTrailerBytes, trailerMark } from './message.ts';

const nothing = Buffer.alloc(0);
const printable = /^[\x20-\x7E]*$/;
const decimal = /^[0-9]*$/;
const hexadecimal = /^[0-9A-F]*$/;

/**
 * Reads the fields of a command from left to right, as bytes: DER, signatures and RSA private keys stand beside text.
 * What does not fit is refused with 15, unless the caller names a code of its command.
 */
export class FieldReader {
  readonly #body: Buffer;
  #at = 0;
  #trailer: Buffer | undefined;

  constructor(body: Buffer) {
    this.#body = body;
  }

  /** `length` raw bytes. */
  bytes(length: number, name: string): Buffer {
    const end = this.#at + length;
    if (end > this.#body.length) {
      throw new Refusal('15', `${name}: ${length} bytes expected, ${this.#body.length - this.#at} left`);
    }
    const field = this.#body.subarray(this.#at, end);
    this.#at = end;
    return field;
  }

  /** `length` printable ASCII characters. */
  text(length: number, name: string): string {
    return this.#characters(length, name, printable, 'printable characters');
  }

  /** A number of `length` decimal digits. */
  number(length: number, name: string): number {
    return Number(this.#characters(length, name, decimal, 'decimal digits'));
  }

  /** A number of `length` hexadecimal digits. */
  hexNumber(length: number, name: string): number {
    return Number.parseInt(this.#characters(length, name, hexadecimal, 'hexadecimal digits'), 16);
  }

  /** `length` upper-case hexadecimal digits, as text. */
  hex(length: number, name: string): string {
    return this.#characters(length, name, hexadecimal, 'hexadecimal digits');
  }

  /** One character out of `allowed`. */
  choice<T extends string>(allowed: readonly T[], name: string, code: Refusal['code'] = '15'): T {
    const taken = allowed.find((character) => this.takes(character));
    if (taken === undefined) {
      this.text(1, name); // 15 for what is no character at all
      throw new Refusal(code, `${name}: one of ${allowed.join(' ')} expected`);
    }
    return taken;
  }

  /** The characters `expected`, which stand in the message as they are. */
  literal(expected: string, name: string, code: Refusal['code'] = '15'): void {
    if (this.takes(expected)) return;
    this.text(expected.length, name); // 15 for what are no characters at all
    throw new Refusal(code, `${name}: ${expected} expected`);
  }

  /** Printable characters up to `mark`, which is taken too. */
  textUntil(mark: string, name: string): string {
    const end = this.#body.indexOf(mark, this.#at, 'latin1');
    const field = this.text((end === -1 ? this.#body.length : end) - this.#at, name);
    this.literal(mark, `end of ${name}`);
    return field;
  }

  /** The next character without taking it; empty at the end. */
  peek(length = 1): string {
    return this.#body.toString('latin1', this.#at, this.#at + length);
  }

  /** Takes `mark`, ASCII, if it is next: the sign that an optional group follows. */
  takes(mark: string): boolean {
    for (let n = 0; n < mark.length; n += 1) {
      if (this.#body[this.#at + n] !== mark.charCodeAt(n)) return false;
    }
    this.#at += mark.length;
    return true;
  }

  /** A DER element, whose length is in itself. At most 65,535 bytes of content. */
  der(name: string): Buffer {
    const at = this.#at;
    const tagAndLength = this.bytes(2, name);
    let length = tagAndLength[1]!;
    if (length === 0x81) length = this.bytes(1, name)[0]!;
    else if (length === 0x82) length = this.bytes(2, name).readUInt16BE(0);
    else if (length >= 0x80) throw new Refusal('15', `${name}: DER length in at most 2 bytes expected`);
    this.bytes(length, name);
    return this.#body.subarray(at, this.#at);
  }

  /** Nothing may follow but the trailer: mark 19 and at most 32 bytes. */
  end(): void {
    const rest = this.#body.subarray(this.#at);
    if (rest.length > 0 && (rest[0] !== trailerMark || rest.length > 1 + maxTrailerBytes)) {
      throw new Refusal('15', `end of the command expected, ${rest.length} more bytes came`);
    }
    this.#trailer = rest;
    this.#at = this.#body.length;
  }

  /**
   * The trailer, mark included, that the answer must end with. Before `end` has found it, which is so when the fields
   * were refused, it is looked for from behind: a mark near the end with nothing but printable characters after it.
   */
  get trailer(): Buffer {
    if (this.#trailer !== undefined) return this.#trailer;
    const from = Math.max(0, this.#body.length - 1 - maxTrailerBytes);
    const at = this.#body.lastIndexOf(trailerMark);
    if (at < from || !printable.test(this.#body.toString('latin1', at + 1))) return nothing;
    return this.#body.subarray(at);
  }

  #characters(length: number, name: string, form: RegExp, wanted: string): string {
    const field = this.bytes(length, name).toString('latin1');
    if (!form.test(field)) throw new Refusal('15', `${name}: ${length} ${wanted} expected`);
    return field;
  }
}
