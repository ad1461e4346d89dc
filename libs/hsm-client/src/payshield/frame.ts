/**
 * Message frames of the payShield host port over TCP, TLS and unix sockets, both directions:
 *
 *   length[2, big-endian, of all that follows] header[4] message
 *
 * The header is any bytes of a length that is set in the HSM (4 from the factory); the HSM echoes it unchanged.
 */

/** Bytes of the message header: the factory setting of the HSM. */
export const HEADER_BYTES = 4;

/** The length field counts at most this many bytes. */
export const MAX_FRAME_BYTES = 0xffff;

const LENGTH_BYTES = 2;

/** `header`: 4 ASCII characters. The caller has checked that header and message fit `MAX_FRAME_BYTES`. */
export function encodeFrame(header: string, message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + HEADER_BYTES + message.length);
  frame.writeUInt16BE(HEADER_BYTES + message.length, 0);
  frame.write(header, LENGTH_BYTES, HEADER_BYTES, 'latin1');
  frame.set(message, LENGTH_BYTES + HEADER_BYTES);
  return frame;
}

/** What one frame carries, as bytes: answers hold raw DER, signatures and random values. */
export interface Frame {
  /** 4 characters, one for each byte. */
  header: string;
  /** Response code, error code, data. */
  message: Uint8Array;
}

/** Cuts a byte stream into frames, wherever the transport split or merged it. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #bufferedBytes = 0;
  /** Bytes from which on another frame can be complete. */
  #neededBytes = LENGTH_BYTES;

  /**
   * Takes the next bytes of the stream and returns the frames that they complete; the frames share its memory.
   * `undefined`: a frame is too short to hold a header, so this stream is not a payShield's and has to be given up.
   */
  push(chunk: Uint8Array): Frame[] | undefined {
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    if (this.#bufferedBytes < this.#neededBytes) return [];

    const data = Buffer.concat(this.#chunks, this.#bufferedBytes);
    const frames: Frame[] = [];
    let offset = 0;
    this.#neededBytes = LENGTH_BYTES;
    while (data.length - offset >= LENGTH_BYTES) {
      const length = data.readUInt16BE(offset);
      if (length < HEADER_BYTES) return undefined;
      this.#neededBytes = LENGTH_BYTES + length;
      if (data.length - offset < this.#neededBytes) break;
      const start = offset + LENGTH_BYTES;
      frames.push({
        header: data.toString('latin1', start, start + HEADER_BYTES),
        message: data.subarray(start + HEADER_BYTES, start + length),
      });
      offset = start + length;
      this.#neededBytes = LENGTH_BYTES;
    }
    this.#chunks = offset < data.length ? [data.subarray(offset)] : [];
    this.#bufferedBytes = data.length - offset;
    return frames;
  }
}
