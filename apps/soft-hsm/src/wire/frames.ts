const lengthBytes = 2;
const nothing = Buffer.alloc(0);

/** Messages as they travel, each behind its length in 2 bytes, big-endian. A message: 0 to 65,535 bytes. */
export function frame(messages: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.allocUnsafe(messages.reduce((total, { length }) => total + lengthBytes + length, 0));
  let at = 0;
  for (const message of messages) {
    bytes.set(message, bytes.writeUInt16BE(message.length, at));
    at += lengthBytes + message.length;
  }
  return bytes;
}

/** Cuts a byte stream into messages, however TCP has split or merged them. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /** The messages that `chunk` completes, in order, each without its length. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered < this.#needed()) return [];

    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#buffered);
    const messages: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= lengthBytes) {
      const end = at + lengthBytes + bytes.readUInt16BE(at);
      if (end > bytes.length) break;
      messages.push(bytes.subarray(at + lengthBytes, end));
      at = end;
    }
    const rest = at < bytes.length ? bytes.subarray(at) : nothing;
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#buffered = rest.length;
    return messages;
  }

  /** Bytes until the message at the head of the stream can be complete; what is buffered is joined only then. */
  #needed(): number {
    const [first, second] = this.#chunks;
    if (first !== undefined && first.length >= lengthBytes) return lengthBytes + first.readUInt16BE(0);
    if (first?.length === 1 && second !== undefined && second.length >= 1) {
      return lengthBytes + first[0]! * 0x100 + second[0]!;
    }
    return lengthBytes;
  }
}
