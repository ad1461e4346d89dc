import type { AnswerCode } from '../answer-codes.ts';

/** Length of the message header that the host chooses and gets back unchanged; 4 is a payShield's default. */
export const headerBytes = 4;
const commandBytes = 2;

/** I/O buffer, as NO reports it (`3` = 32 KiB): a longer message is answered with 80. */
export const maxMessageBytes = 32 * 1024;

/** Begins the trailer, which the host appends to a command and gets back. */
export const trailerMark = 0x19;
export const maxTrailerBytes = 32;

/** A message from the host: header, command code, and everything after it. */
export interface HostMessage {
  header: Buffer;
  command: string;
  body: Buffer;
}

/** `undefined` for a message too short to be answered: without header and command code there is nothing to echo. */
export function splitMessage(message: Buffer): HostMessage | undefined {
  if (message.length < headerBytes + commandBytes) return undefined;
  return {
    header: message.subarray(0, headerBytes),
    command: message.toString('latin1', headerBytes, headerBytes + commandBytes),
    body: message.subarray(headerBytes + commandBytes),
  };
}

/** The command code with its second character one further: A0 is answered by A1, NC by ND, BZ by B[. */
export function responseCode(command: string): string {
  return command.charAt(0) + String.fromCharCode((command.charCodeAt(1) + 1) & 0xff);
}

/** header, response code, error code, data, trailer (with its mark, or empty). */
export function formatAnswer(
  { header, command }: HostMessage,
  code: AnswerCode,
  data: Uint8Array,
  trailer: Uint8Array,
): Buffer {
  return Buffer.concat([header, Buffer.from(responseCode(command) + code, 'latin1'), data, trailer]);
}
