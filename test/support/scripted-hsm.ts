import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** One request as it came, and the socket for what an ordinary answer cannot do: silence, garbage, hanging up. */
export interface ScriptedRequest {
  header: string;
  command: string;
  data: Buffer;
  socket: Socket;
  /** Writes an answer frame: error code and what follows it. */
  answer(errorCode: string, data?: string | Uint8Array): void;
}

export type Script = (request: ScriptedRequest) => void;

/**
 * A server on the host port that answers by script and does no cryptography: what a client must bear. Commands
 * without a script are answered as by an HSM with LMK check value 9D04A0, or with 68.
 */
export class ScriptedHsm {
  readonly requests: { command: string; data: Buffer }[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #scripts = new Map<string, Script>();
  #server: Server | undefined;

  constructor(scripts: Record<string, Script> = {}) {
    this.on('NC', ({ answer }) => answer('00', '9D04A000000000002200-1011'));
    this.on('NO', ({ data, answer }) => answer('00', data.toString() === '00' ? '3164042200-10110' : '1'));
    for (const [command, script] of Object.entries(scripts)) this.on(command, script);
  }

  on(command: string, script: Script): void {
    this.#scripts.set(command, script);
  }

  count(command: string): number {
    return this.requests.filter((request) => request.command === command).length;
  }

  /** Listens on a unix socket path, or on a free port of 127.0.0.1, which it returns. */
  async listen(where: { path: string } | { port: number; tls?: TlsOptions }): Promise<number> {
    const accept = (socket: Socket): void => this.#accept(socket);
    const server = 'tls' in where && where.tls ? createTlsServer(where.tls, accept) : createServer(accept);
    this.#server = server;
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => {
      if ('path' in where) server.listen(where.path, resolve);
      else server.listen(where.port, '127.0.0.1', resolve);
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Hangs up on every client. */
  hangUp(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        this.#handle(socket, pending.subarray(2, end));
        pending = pending.subarray(end);
      }
    });
  }

  #handle(socket: Socket, frame: Buffer): void {
    const header = frame.toString('latin1', 0, 4);
    const command = frame.toString('latin1', 4, 6);
    const data = Buffer.from(frame.subarray(6));
    this.requests.push({ command, data });
    const answer = (errorCode: string, answerData: string | Uint8Array = ''): void => {
      if (!socket.destroyed) socket.write(answerFrame(header, command, errorCode, answerData));
    };
    const script = this.#scripts.get(command) ?? (({ answer: refuse }) => refuse('68'));
    script({ header, command, data, socket, answer });
  }
}

/** length[2] header[4] response code[2] error code[2] data */
export function answerFrame(
  header: string,
  command: string,
  errorCode: string,
  data: string | Uint8Array = '',
): Buffer {
  const responseCode = command[0] + String.fromCharCode(command.charCodeAt(1) + 1);
  const body = Buffer.concat([
    Buffer.from(header + responseCode + errorCode, 'latin1'),
    typeof data === 'string' ? Buffer.from(data, 'latin1') : data,
  ]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([length, body]);
}
