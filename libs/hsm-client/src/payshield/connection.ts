import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HsmError } from '../errors.ts';
import { formatEndpoint, type PayShieldEndpoint } from './endpoint.ts';
import { encodeFrame, FrameReader } from './frame.ts';

/** This client's certificate and key, and the CA of the HSM's certificate. PEM. */
export interface HsmTls {
  cert: string | Buffer;
  key: string | Buffer;
  ca: string | Buffer;
}

/** Who waits for an answer. Exactly one of the two is called, once, unless the request was abandoned. */
export interface Requester {
  /** `message`: response code, error code, data. */
  answered(message: Uint8Array): void;
  /** The connection ended before the answer. */
  lost(reason: HsmError): void;
}

/**
 * One socket to one HSM. Many requests may be under way on it; an answer finds its requester by the header, which
 * counts up and is not used again while its answer may still come: a connection on which a request was abandoned
 * takes no further ones and ends when the others are answered.
 */
export class Connection {
  readonly endpoint: PayShieldEndpoint;
  /** Resolves when the socket is gone, with the reason. */
  readonly ended: Promise<HsmError>;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #requesters = new Map<string, Requester>();
  #headerCounter = 0;
  #outgoing: Buffer[] = [];
  #retired = false;
  #endReason: HsmError | undefined;

  private constructor(endpoint: PayShieldEndpoint, socket: Socket) {
    this.endpoint = endpoint;
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.destroy(unreachable(endpoint, 'connection failed', error)));
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.destroy(unreachable(endpoint, 'the HSM closed the connection'));
        resolve(this.#endReason!);
      });
    });
  }

  /**
   * Connects; TLS is up and the HSM's certificate checked when it resolves. `tls` is there if the endpoint needs it.
   * Throws HSM_UNREACHABLE, also when `signal` aborts.
   */
  static open(
    endpoint: PayShieldEndpoint,
    tls: HsmTls | undefined,
    signal: AbortSignal,
  ): Promise<Connection> {
    const socket = openSocket(endpoint, tls);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', abort);
        socket.destroy();
        reject(unreachable(endpoint, 'no connection', error));
      };
      const abort = (): void => fail(signal.reason);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      socket.once('error', fail);
      socket.once(endpoint.transport === 'tls' ? 'secureConnect' : 'connect', () => {
        signal.removeEventListener('abort', abort);
        socket.off('error', fail);
        socket.setNoDelay(true);
        socket.setKeepAlive(true, 10_000);
        resolve(new Connection(endpoint, socket));
      });
    });
  }

  /** Requests that wait for their answer. */
  get inFlight(): number {
    return this.#requesters.size;
  }

  /** Whether it was given up on purpose. */
  get retired(): boolean {
    return this.#retired;
  }

  /** Whether it takes requests. */
  get usable(): boolean {
    return !this.#retired && this.#endReason === undefined;
  }

  /** Sends a message; all of one tick leave in one write. Returns the header, by which it can be abandoned. */
  send(message: Uint8Array, requester: Requester): string {
    const header = this.#nextHeader();
    this.#requesters.set(header, requester);
    if (this.#outgoing.push(encodeFrame(header, message)) === 1) process.nextTick(() => this.#flush());
    return header;
  }

  /** The requester no longer waits; a late answer is thrown away with the connection. */
  abandon(header: string): void {
    this.#requesters.delete(header);
    this.retire();
  }

  /** Takes no further requests, and ends when those under way are answered. */
  retire(): void {
    this.#retired = true;
    this.#endIfDone();
  }

  /** Ends at once; every requester is told the reason. Idempotent. */
  destroy(reason: HsmError): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.#socket.destroy();
    const requesters = [...this.#requesters.values()];
    this.#requesters.clear();
    for (const requester of requesters) requester.lost(reason);
  }

  #flush(): void {
    const frames = this.#outgoing;
    this.#outgoing = [];
    if (this.#endReason === undefined) this.#socket.write(Buffer.concat(frames));
  }

  #receive(chunk: Uint8Array): void {
    const frames = this.#reader.push(chunk);
    if (frames === undefined) return this.destroy(badAnswer(this.endpoint, 'a frame too short for a header'));
    for (const { header, message } of frames) {
      const requester = this.#requesters.get(header);
      if (requester !== undefined) {
        this.#requesters.delete(header);
        requester.answered(message);
      } else if (!this.#retired) {
        return this.destroy(badAnswer(this.endpoint, 'an answer with a header that was not asked with'));
      }
    }
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#retired && this.#requesters.size === 0) {
      this.destroy(unreachable(this.endpoint, 'connection given up'));
    }
  }

  /** Four hex digits, printable so that a header can be looked up in the HSM's log. */
  #nextHeader(): string {
    let header: string;
    do {
      this.#headerCounter = (this.#headerCounter + 1) & 0xffff;
      header = this.#headerCounter.toString(16).toUpperCase().padStart(4, '0');
    } while (this.#requesters.has(header));
    return header;
  }
}

function openSocket(endpoint: PayShieldEndpoint, tls: HsmTls | undefined): Socket {
  switch (endpoint.transport) {
    case 'unix':
      return connectSocket({ path: endpoint.path });
    case 'tcp':
      return connectSocket({ host: endpoint.host, port: endpoint.port });
    case 'tls':
      return connectTls({
        host: endpoint.host,
        port: endpoint.port,
        ...tls,
        minVersion: 'TLSv1.2', // for devices in the field; the soft HSM takes 1.3 only
        rejectUnauthorized: true,
      });
  }
}

function unreachable(endpoint: PayShieldEndpoint, what: string, cause?: unknown): HsmError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new HsmError('HSM_UNREACHABLE', `HSM ${formatEndpoint(endpoint)}: ${what}${reason}`, { cause });
}

function badAnswer(endpoint: PayShieldEndpoint, what: string): HsmError {
  return new HsmError('HSM_BAD_ANSWER', `HSM ${formatEndpoint(endpoint)}: ${what}`);
}
