import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from './random.ts';

/** What the network does, as shares of its connections from 0 to 1. */
export interface Weather {
  /** Refused at once. */
  refuse: number;
  /** Reset after some bytes. */
  reset: number;
  /** One direction ends after some bytes, the other goes on. */
  halfClose: number;
  /** Nothing comes through any more after some bytes, and nobody is told. */
  blackHole: number;
  /** Most that a piece is late, in milliseconds. */
  delayMs: number;
}

export const fairWeather: Weather = { refuse: 0, reset: 0, halfClose: 0, blackHole: 0, delayMs: 0 };

/** Bytes of one direction after which a fault strikes: from the TLS handshake up to some messages of kdh.v1. */
const LONGEST_BEFORE_FAULT = 20_000;

type Fault = 'none' | 'reset' | 'halfClose' | 'blackHole';

/** A TCP proxy that drops, delays and half-closes, so far as `weather` says when a connection is made. */
export class FaultyProxy {
  weather: Weather = fairWeather;
  readonly counts = { connections: 0, faults: 0 };
  readonly #random: Random;
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(targetPort: number, random: Random) {
    this.#targetPort = targetPort;
    this.#random = random;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
  }

  /** Listens on a free port of 127.0.0.1 and carries everything to `targetPort`. */
  static async listen(targetPort: number, random: Random): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(targetPort, random);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resets every connection; black holes and halves among them. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.#server.close();
    this.resetAll();
  }

  #serve(client: Socket): void {
    this.counts.connections += 1;
    const { refuse, reset, halfClose, blackHole } = this.weather;
    const dice = this.#random.below(1);
    if (dice < refuse) {
      this.counts.faults += 1;
      client.resetAndDestroy();
      return;
    }
    const fault: Fault =
      dice < refuse + reset
        ? 'reset'
        : dice < refuse + reset + halfClose
          ? 'halfClose'
          : dice < refuse + reset + halfClose + blackHole
            ? 'blackHole'
            : 'none';
    if (fault !== 'none') this.counts.faults += 1;
    const server = connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    const faulty = this.#random.chance(0.5) ? client : server;
    this.#carry(client, server, faulty === client ? fault : 'none');
    this.#carry(server, client, faulty === server ? fault : 'none');
  }

  /** Carries what `from` sends, in order, until the fault strikes. */
  #carry(from: Socket, to: Socket, fault: Fault): void {
    const { delayMs } = this.weather;
    let left = fault === 'none' ? Number.POSITIVE_INFINITY : this.#random.whole(LONGEST_BEFORE_FAULT);
    let last: Promise<void> = Promise.resolve();
    const later = (action: () => void): void => {
      const wait = delayMs > 0 ? this.#random.below(delayMs) : 0;
      last = last.then(async () => {
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        action();
      });
    };
    from.on('data', (piece) => {
      const carried = piece.subarray(0, Math.max(0, left));
      left -= piece.length;
      if (carried.length > 0) later(() => void to.write(carried));
      if (left > 0) return;
      if (fault === 'reset') later(() => from.resetAndDestroy());
      else if (fault === 'halfClose') later(() => void to.end());
      // a black hole says nothing
    });
    from.on('end', () => later(() => void to.end()));
  }
}
