import {
  type KdhMessage,
  newMessageId,
  openSession,
  ProtocolError,
  protocolLimits,
  type Received,
  type Session,
  type TerminalMessage,
} from '@openkdh/terminal-protocol';
import type { RawData, WebSocket } from 'ws';
import type { KnownTerminal } from './admission.ts';
import { Deadline } from './deadline.ts';
import { gatewayLimits } from './limits.ts';
import type { LiveSession } from './session-registry.ts';
import { TokenBucket } from './token-bucket.ts';

export type MessageHandler = (message: Received<TerminalMessage>) => Promise<void>;

/**
 * One admitted WebSocket: frames in order, one at a time, each answered; the discipline of `kdh.v1` by its session;
 * a bounded mailbox; pings with a hard deadline.
 */
export class TerminalConnection {
  readonly sessionId: string;
  /** Set at WELCOME. */
  live: LiveSession | undefined;
  /** Of the whitelisted TR-34 encryption certificate; set at WELCOME. */
  encryptionFingerprint = '';
  /** Attempts asked for by QUERY, by the id of the message. */
  readonly queried = new Map<string, string>();
  private readonly session: Session<'kdh'>;
  private readonly mailbox: string[] = [];
  private readonly rate = new TokenBucket(gatewayLimits.framesPerTerminal, performance.now());
  private handling = false;
  private lastMessageId = '';
  private pingTimer: NodeJS.Timeout | undefined;
  private readonly deadline = new Deadline();
  private onClosed: () => void = () => {};

  constructor(
    private readonly socket: WebSocket,
    readonly peer: KnownTerminal,
    readonly certificateFingerprint: string,
    private readonly onRefused: (error: ProtocolError) => void,
  ) {
    this.session = openSession('kdh', () => {
      this.lastMessageId = newMessageId();
      return this.lastMessageId;
    });
    this.sessionId = this.session.sid as string;
    this.expect(protocolLimits.helloTimeoutMs, 'no HELLO in time');
    socket.on('error', (error) => this.brokenFrame(error));
    socket.on('close', () => {
      this.deadline.clear();
      clearInterval(this.pingTimer);
      this.onClosed();
    });
    socket.on('ping', () => void this.spend());
    socket.on('pong', () => this.deadline.clear());
  }

  onClose(listener: () => void): void {
    this.onClosed = listener;
  }

  /** Feeds every frame to `handle`, strictly one after the other. */
  onMessage(handle: MessageHandler): void {
    this.socket.on('message', (data: RawData, isBinary: boolean) => {
      // What was still under way when we sent KICK or a fatal ERROR is not looked at.
      if (this.socket.readyState !== this.socket.OPEN || this.session.phase === 'over') return;
      if (!this.spend()) return;
      if (isBinary) return this.refuse(new ProtocolError('BAD_MESSAGE', 'text frames only', { fatal: true }));
      if (this.mailbox.length >= gatewayLimits.mailboxFrames) {
        return this.refuse(new ProtocolError('BUSY', 'too many frames at once', { fatal: true }));
      }
      this.mailbox.push(data.toString());
      if (!this.handling) void this.drain(handle);
    });
  }

  /** The session is welcomed: pings begin. */
  startPinging(): void {
    this.deadline.clear();
    this.pingTimer = setInterval(() => {
      this.socket.ping();
      this.expect(protocolLimits.pongTimeoutMs, 'no pong in time');
    }, protocolLimits.pingMs);
  }

  /** Returns the id of the message. */
  send(message: KdhMessage, re?: string): string {
    if (this.socket.readyState !== this.socket.OPEN) return '';
    const frame = this.session.send(message, { re });
    const { lastMessageId } = this;
    if (message.t === 'QUERY' && 'attempt' in message.b) this.queried.set(lastMessageId, message.b.attempt);
    this.socket.send(frame);
    if (this.socket.bufferedAmount > gatewayLimits.bufferedBytes)
      this.cutOff('does not read what it is sent');
    return lastMessageId;
  }

  /** Tells the terminal of a refusal (`re`: of which message) and, when it is fatal, closes with its code. */
  refuse(error: ProtocolError, re?: string): void {
    this.onRefused(error);
    if (this.socket.readyState !== this.socket.OPEN) return;
    this.socket.send(this.session.sendError(error, re));
    if (error.fatal) this.close(error.closeCode, error.code);
  }

  close(code: number, reason: string): void {
    this.mailbox.length = 0;
    this.socket.close(code, reason);
    // ws waits 30 s for the peer's close frame; a peer that is gone must not hold a place that long.
    setTimeout(() => this.socket.terminate(), 5_000).unref();
  }

  /** ws has closed already, with 1009 for a frame that is too long and 1002 or 1007 for one that is malformed. */
  private brokenFrame(error: Error & { code?: string }): void {
    if (!error.code?.startsWith('WS_ERR')) return this.socket.terminate();
    const code = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? 'TOO_LARGE' : 'BAD_MESSAGE';
    this.onRefused(new ProtocolError(code, 'a WebSocket frame that cannot be accepted', { fatal: true }));
  }

  /** Counts a frame; refuses the connection when there were too many of late. */
  private spend(): boolean {
    if (this.rate.take(performance.now())) return true;
    if (this.socket.readyState === this.socket.OPEN) {
      this.refuse(new ProtocolError('BUSY', 'too many frames', { fatal: true }));
    }
    return false;
  }

  private cutOff(reason: string): void {
    this.onRefused(new ProtocolError('BUSY', reason, { fatal: true }));
    this.socket.terminate();
  }

  private expect(milliseconds: number, reason: string): void {
    this.deadline.start(milliseconds, () => {
      this.onRefused(new ProtocolError('TIMEOUT', reason, { fatal: true }));
      this.socket.terminate();
    });
  }

  private async drain(handle: MessageHandler): Promise<void> {
    this.handling = true;
    try {
      for (let text = this.mailbox.shift(); text !== undefined; text = this.mailbox.shift()) {
        try {
          await handle(this.session.receive(text));
        } catch (error) {
          this.refuse(error instanceof ProtocolError ? error : unavailable());
        }
      }
    } finally {
      this.handling = false;
    }
  }
}

/** What a terminal hears when our own parts fail: come back later; the cause is in our log. */
export function unavailable(): ProtocolError {
  return new ProtocolError('BUSY', 'the KDH cannot answer now', { fatal: true });
}
