import { HsmManagementError } from './errors.ts';

/**
 * Messages of the management socket, both ways: one line of JSON, then, if the line says `payloadBytes`, so many raw
 * bytes. Secrets (components, shares, passphrases) travel as payload and never as text: a string of key material
 * cannot be erased, bytes can.
 */
export interface ManagementMessage {
  line: Record<string, unknown>;
  payload: Buffer;
}

const maxLineBytes = 64 * 1024;
const maxPayloadBytes = 64 * 1024;
const lineFeed = 0x0a;
const nothing = Buffer.alloc(0);

/** `payload`: raw bytes that follow the line; at most 64 KiB, as the line. The caller wipes both. */
export function formatMessage(line: Record<string, unknown>, payload: Uint8Array = nothing): Buffer {
  const length = payload.length > 0 ? { payloadBytes: payload.length } : {};
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...line, ...length })}\n`), payload]);
}

/** Cuts a byte stream into messages. Payloads are copies, which the receiver wipes; what was read from is wiped here. */
export class MessageReader {
  #buffered = nothing;

  /** The messages that `chunk` completes. Throws HSM_MESSAGE. */
  push(chunk: Buffer): ManagementMessage[] {
    const bytes = Buffer.concat([this.#buffered, chunk]);
    this.#buffered.fill(0);
    chunk.fill(0);
    const messages: ManagementMessage[] = [];
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(lineFeed, at);
      if ((end < 0 ? bytes.length : end) - at > maxLineBytes) throw bad('the line is too long');
      if (end < 0) break;
      const line = parseLine(bytes.toString('utf8', at, end));
      const payloadEnd = end + 1 + payloadBytesOf(line);
      if (payloadEnd > bytes.length) break;
      messages.push({ line, payload: Buffer.from(bytes.subarray(end + 1, payloadEnd)) });
      at = payloadEnd;
    }
    this.#buffered = Buffer.from(bytes.subarray(at));
    bytes.fill(0);
    return messages;
  }
}

function parseLine(text: string): Record<string, unknown> {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    throw bad('the line is not JSON');
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) throw bad('not a JSON object');
  return line as Record<string, unknown>;
}

function payloadBytesOf({ payloadBytes }: Record<string, unknown>): number {
  if (payloadBytes === undefined) return 0;
  if (
    !Number.isSafeInteger(payloadBytes) ||
    (payloadBytes as number) < 0 ||
    (payloadBytes as number) > maxPayloadBytes
  ) {
    throw bad(`payloadBytes: 0 to ${maxPayloadBytes} expected`);
  }
  return payloadBytes as number;
}

function bad(what: string): HsmManagementError {
  return new HsmManagementError('HSM_MESSAGE', `management message: ${what}`);
}
