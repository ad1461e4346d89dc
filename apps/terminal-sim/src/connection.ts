import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import {
  type KdhMessage,
  type Kick,
  openSession,
  ProtocolError,
  protocolLimits,
  type Received,
} from '@openkdh/terminal-protocol';
import WebSocket, { type ClientOptions, type RawData } from 'ws';
import { TerminalSimError } from './errors.ts';
import { clientTls, signResult } from './identity.ts';
import type { Log } from './log.ts';
import type { Behaviour } from './misbehaviour.ts';
import type { ConnectionEnd } from './reconnect.ts';
import type { Change, TerminalRecord } from './record.ts';
import type { Store } from './store.ts';
import { type Conversation, type Decision, eraseReplaced, hello, receive, signReport } from './terminal.ts';

/** What a connection needs, and whom it tells. */
export interface ConnectionOptions {
  readonly serial: string;
  /** `wss://host:port`, or the whole address with the protocol's path. */
  readonly kdh: string;
  readonly store: Store<TerminalRecord, Change>;
  readonly behaviour: Behaviour;
  readonly log: Log;
  /** What was stored because of a message. */
  onStored(message: Received<KdhMessage>): void;
  /** Called once: the connection is over or could not be made. */
  onEnd(end: ConnectionEnd, lastedMs: number): void;
  /** A commit failed: a terminal without its flash can do nothing more. */
  onFailure(error: TerminalSimError): void;
}

/** From the TCP connection to the upgrade. */
const handshakeTimeoutMs = 15_000;
/** A problem document of a refusal is cut off here. */
const maxProblemBytes = 8 * 1024;

/**
 * One WebSocket of one terminal: a frame comes in, a decision is made, stored, and what it says is sent. Messages wait
 * for one another, because each decision is made on what the one before has stored.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #session = openSession('terminal');
  #socket: WebSocket | undefined;
  #conversation: Conversation = { epoch: 0 };
  #mailbox: Promise<void> = Promise.resolve();
  #openedAt: number | undefined;
  #heardAt = performance.now();
  #pingMs: number = protocolLimits.pingMs;
  #kick: Kick | undefined;
  #failure = 'closed during the handshake';
  /** What waits in the mailbox is left unread. */
  #isDeaf = false;
  #ended = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Whether WELCOME has come and the connection is not over. */
  get isWelcomed(): boolean {
    return this.#conversation.epoch > 0 && !this.#ended;
  }

  /** Whether it is on its way to a WebSocket. */
  get isConnecting(): boolean {
    return this.#openedAt === undefined && !this.#ended;
  }

  /** Connects. Whatever goes wrong is told through `onEnd`. */
  async open(): Promise<void> {
    const { kdh, behaviour, serial, store } = this.#options;
    try {
      const secureContext = await clientTls(serial, store.records.get(serial)!, behaviour.certificate);
      if (this.#ended) return;
      const options: ClientOptions & Pick<TlsOptions, 'secureContext'> = {
        secureContext,
        handshakeTimeout: handshakeTimeoutMs,
        maxPayload: protocolLimits.maxFrameBytes,
        perMessageDeflate: false,
        autoPong: behaviour.answersPings,
      };
      this.#socket = new WebSocket(new URL(behaviour.path, kdh), [...behaviour.subprotocols], options);
      this.#listen(this.#socket);
    } catch (error) {
      this.#end({ kind: 'failed', reason: String(error) });
    }
  }

  /** Ends the connection: with a close frame, or at once. */
  close(): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.close(1000);
    else this.abort('stopped');
  }

  /** Ends the connection without a word. */
  abort(reason: string): void {
    this.#failure = reason;
    this.#isDeaf = true;
    if (this.#socket) this.#socket.terminate();
    else this.#end({ kind: 'failed', reason });
  }

  /** Drops a connection on which no ping and no message came in time. Called every now and then. */
  checkAlive(now: number): void {
    const silentMs = now - this.#heardAt;
    if (this.#openedAt !== undefined && silentMs > this.#pingMs + 2 * protocolLimits.pongTimeoutMs) {
      this.abort('no ping in time');
    }
  }

  #listen(socket: WebSocket): void {
    const heard = () => {
      this.#heardAt = performance.now();
    };
    socket.on('open', () => {
      this.#openedAt = performance.now();
      heard();
      this.#send([{ message: hello(this.#options.serial, this.#record, randomBytes(16)) }]);
    });
    socket.on('ping', heard);
    socket.on('message', (data, isBinary) => {
      heard();
      this.#mailbox = this.#mailbox.then(() => this.#take(data, isBinary));
    });
    socket.on('unexpected-response', (_request, response) => {
      void readRefusal(response).then((refusal) => {
        this.#end(refusal);
        socket.terminate();
      });
    });
    socket.on('error', (error) => {
      this.#failure = error.message;
    });
    socket.on('close', (closeCode) => {
      // What came before the end is still handled: keys are stored, and a KICK says when to come back.
      this.#mailbox = this.#mailbox.then(() => {
        if (this.#openedAt === undefined) this.#end({ kind: 'failed', reason: this.#failure });
        else this.#end({ kind: 'closed', closeCode, ...(this.#kick && { kick: this.#kick }) });
      });
    });
  }

  async #take(data: RawData, isBinary: boolean): Promise<void> {
    if (this.#isDeaf) return;
    const { behaviour } = this.#options;
    let taken: string | undefined;
    try {
      if (isBinary) throw new ProtocolError('BAD_MESSAGE', 'text frames only', { fatal: true });
      const message = this.#session.receive(String(data));
      taken = message.id;
      if (behaviour.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, behaviour.delayMs));
      const action = behaviour.arriving(message.t);
      if (action === 'handle') await this.#handle(message);
      else if (action === 'disconnect') this.abort(`told to disconnect at ${message.t}`);
    } catch (error) {
      if (error instanceof ProtocolError) this.#refuse(error, taken);
      else if (error instanceof TerminalSimError) this.#options.onFailure(error);
      else this.#fault(error as Error);
    }
  }

  async #handle(message: Received<KdhMessage>): Promise<void> {
    const { serial, store, log } = this.#options;
    log('debug', 'received', message.t, { serial });
    if (message.t === 'WELCOME') this.#pingMs = message.b.pingMs;
    if (message.t === 'KICK') this.#kick = message.b;
    if (message.t === 'ERROR') log('warn', 'kdh-error', message.b.name, { serial, ...message.b });
    const decision = await this.#decide(message);
    if (decision.change) {
      const before = this.#record;
      await store.commit(serial, decision.change);
      eraseReplaced(before, this.#record);
      this.#options.onStored(message);
    }
    this.#conversation = { ...this.#conversation, ...decision.conversation };
    this.#send(decision.send ?? []);
    if (message.t === 'KICK') this.close();
  }

  #decide(message: Received<KdhMessage>): Promise<Decision> {
    const { serial, behaviour } = this.#options;
    const terminal = { serial, record: this.#record, conversation: this.#conversation };
    return receive(terminal, message, {
      now: new Date(),
      randomBytes,
      sign: (bytes) => behaviour.signature(this.#sign(bytes)),
      keyBlock: behaviour.keyBlock,
      report: behaviour.report,
    });
  }

  #sign(bytes: Uint8Array): Uint8Array {
    return signResult(this.#record, bytes);
  }

  get #record(): TerminalRecord {
    return this.#options.store.records.get(this.#options.serial)!;
  }

  #send(messages: NonNullable<Decision['send']>): void {
    const { serial, behaviour, log } = this.#options;
    for (const { message: due, re } of messages) {
      const leaving = behaviour.leaving(due, (report) =>
        signReport(report, serial, (bytes) => this.#sign(bytes)),
      );
      if (leaving === 'disconnect') return this.abort(`told to disconnect at ${due.t}`);
      for (const message of leaving) {
        const frame = this.#session.send(message, { re });
        log('debug', 'sent', message.t, { serial });
        for (const piece of behaviour.frames(frame, message.t)) this.#socket?.send(piece);
      }
    }
  }

  /** Tells the KDH what is wrong with its message. */
  #refuse(error: ProtocolError, re?: string): void {
    const { serial, log } = this.#options;
    log('warn', 'refused-message', error.message, { serial, code: error.code });
    this.#socket?.send(this.#session.sendError(error, re));
    if (error.fatal) this.#socket?.close(error.closeCode);
  }

  /** A fault of ours in one terminal must not take the others along. */
  #fault(error: Error): void {
    const { serial, log } = this.#options;
    log('error', 'fault', error.message, { serial, stack: error.stack });
    this.abort('a fault of the simulator');
  }

  #end(end: ConnectionEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    const lastedMs = this.#openedAt === undefined ? 0 : performance.now() - this.#openedAt;
    this.#options.onEnd(end, lastedMs);
  }
}

/** The HTTP answer that came in place of an upgrade. RFC 9457 problem document, RFC 9110 Retry-After in seconds. */
async function readRefusal(response: IncomingMessage): Promise<ConnectionEnd> {
  const status = response.statusCode ?? 0;
  const retryAfterMs = 1000 * Number(response.headers['retry-after'] ?? 0) || 0;
  let text = '';
  try {
    for await (const chunk of response) {
      text += chunk;
      if (text.length > maxProblemBytes) break;
    }
    const { code } = JSON.parse(text) as { code?: unknown };
    return { kind: 'refused', status, retryAfterMs, ...(typeof code === 'string' && { code }) };
  } catch {
    return { kind: 'refused', status, retryAfterMs }; // no problem document, or cut off: the status says enough
  }
}
