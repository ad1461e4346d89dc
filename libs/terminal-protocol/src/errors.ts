import { type ProtocolErrorCode, protocolCodes } from './codes.ts';

/**
 * The only error of this package: a refusal with its code on the wire. Also what the KDH and the terminal raise when
 * their own rules refuse a message, so that `Session.sendError` can tell the peer.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;
  readonly number: number;
  /** To be used for closing the WebSocket when `fatal`. */
  readonly closeCode: number;
  /** Whether the connection must be closed. */
  readonly fatal: boolean;
  /** `id` of the message that was refused, where it could be read. */
  readonly re: string | undefined;

  /** `detail` reaches the peer: lengths, kinds and names only, never a value that was received, never key bytes. */
  constructor(code: ProtocolErrorCode, detail: string, options: { fatal?: boolean; re?: string } = {}) {
    super(detail);
    const { number, closeCode, fatal } = protocolCodes[code];
    this.code = code;
    this.number = number;
    this.closeCode = closeCode;
    this.fatal = options.fatal ?? fatal;
    this.re = options.re;
  }
}
