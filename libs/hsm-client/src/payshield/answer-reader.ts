import { HsmError } from '../errors.ts';

/**
 * Reads the fields of an answer in order. Every refusal is HSM_BAD_ANSWER and names the field, what was expected and
 * how many bytes were left; never the bytes.
 */
export class AnswerReader {
  readonly #command: string;
  readonly #data: Buffer;
  #offset = 0;

  /** `data`: what follows the error code. `command`: response code, for messages. */
  constructor(command: string, data: Uint8Array) {
    this.#command = command;
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  /** `length` raw bytes. */
  bytes(length: number, field: string): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#data.length) throw this.#refuse(field, `${length} bytes`);
    const bytes = Uint8Array.prototype.slice.call(this.#data, this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes(this.#data.length - this.#offset, 'rest');
  }

  /** The characters before `delimiter`, which is read too. */
  until(delimiter: string, field: string): string {
    const end = this.#data.indexOf(delimiter, this.#offset, 'latin1');
    if (end === -1) throw this.#refuse(field, 'a delimiter');
    const text = this.#data.toString('latin1', this.#offset, end);
    this.#offset = end + delimiter.length;
    return text;
  }

  /** `length` printable ASCII characters. */
  text(length: number, field: string): string {
    const text = this.#peek(length);
    if (text === undefined || !/^[\x20-\x7e]*$/.test(text))
      throw this.#refuse(field, `${length} ASCII characters`);
    this.#offset += length;
    return text;
  }

  /** `length` upper-case hex digits. */
  hex(length: number, field: string): string {
    const text = this.#peek(length);
    if (text === undefined || !/^[0-9A-F]*$/.test(text)) throw this.#refuse(field, `${length} hex digits`);
    this.#offset += length;
    return text;
  }

  /** A number written with `digits` decimal digits. */
  decimal(digits: number, field: string): number {
    const text = this.#peek(digits);
    if (text === undefined || !/^\d+$/.test(text)) throw this.#refuse(field, `${digits} decimal digits`);
    this.#offset += digits;
    return Number(text);
  }

  /** A key field: scheme tag, then a key block that says its own length in its characters 2 to 5. Tag included. */
  keyBlock(tag: 'S' | 'R', field: string): string {
    const length = this.#keyBlockLength(tag, field);
    return this.text(1 + length, field);
  }

  /** As `keyBlock`, for a private or public key: the body of the block is raw bytes. Tag included. */
  asymmetricKeyBlock(field: string): Uint8Array {
    return this.bytes(1 + this.#keyBlockLength('S', field), field);
  }

  /** One DER element, tag and length included. It says its own length. */
  der(field: string): Uint8Array {
    const first = this.#data[this.#offset + 1];
    if (first === undefined) throw this.#refuse(field, 'a DER element');
    if (first < 0x80) return this.bytes(2 + first, field);
    const lengthBytes = first & 0x7f;
    if (lengthBytes < 1 || lengthBytes > 2 || this.#data.length < this.#offset + 2 + lengthBytes) {
      throw this.#refuse(field, 'a DER element of at most 65535 bytes');
    }
    return this.bytes(2 + lengthBytes + this.#data.readUIntBE(this.#offset + 2, lengthBytes), field);
  }

  /** Refuses bytes after the last field. */
  end(): void {
    if (this.#offset < this.#data.length) throw this.#refuse('end of the answer', 'no more bytes');
  }

  #keyBlockLength(tag: string, field: string): number {
    const head = this.#peek(6);
    const match = head === undefined ? null : /^(.)[0-9A-Z](\d{4})$/.exec(head);
    const length = Number(match?.[2]);
    if (match?.[1] !== tag || length < 16) throw this.#refuse(field, `a key block with tag ${tag}`);
    return length;
  }

  #peek(length: number): string | undefined {
    const end = this.#offset + length;
    return end > this.#data.length ? undefined : this.#data.toString('latin1', this.#offset, end);
  }

  #refuse(field: string, expected: string): HsmError {
    const left = this.#data.length - this.#offset;
    return new HsmError(
      'HSM_BAD_ANSWER',
      `${this.#command}: ${field}: expected ${expected}, ${left} bytes are left`,
      {
        mayHaveExecuted: true,
      },
    );
  }
}
