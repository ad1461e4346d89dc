import { connect as connectUnix, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FrameReader, frame } from '../../apps/soft-hsm/src/wire/frames.ts';
import type { RunningSoftHsm } from './soft-hsm.ts';

/** A host that speaks in raw frames. Answers are given in the order in which they come. */
export class WireClient {
  readonly socket: Socket;
  readonly #reader = new FrameReader();
  readonly #answers: Buffer[] = [];
  readonly #waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      for (const answer of this.#reader.push(chunk)) {
        const next = this.#waiting.shift();
        if (next) next.resolve(answer);
        else this.#answers.push(answer);
      }
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0))
        reject(new Error('the HSM has closed the connection'));
    });
  }

  static async unix(path: string): Promise<WireClient> {
    const socket = connectUnix(path);
    await connected(socket, 'connect');
    return new WireClient(socket);
  }

  static async tls({ tlsPort, tls }: RunningSoftHsm): Promise<WireClient> {
    const socket = connectTls({
      host: '127.0.0.1',
      port: tlsPort,
      ...tls,
      checkServerIdentity: () => undefined,
    });
    await connected(socket, 'secureConnect');
    return new WireClient(socket);
  }

  /** Sends one message and gives the next answer, both without their length. */
  async call(message: Uint8Array | string): Promise<Buffer> {
    this.socket.write(frame([typeof message === 'string' ? Buffer.from(message, 'latin1') : message]));
    return this.next();
  }

  next(): Promise<Buffer> {
    const answer = this.#answers.shift();
    if (answer) return Promise.resolve(answer);
    if (this.socket.destroyed) return Promise.reject(new Error('the HSM has closed the connection'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
  });
}
