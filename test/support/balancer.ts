import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A level-4 load balancer before several nodes, as docs/operating.md wants one: it carries bytes and terminates
 * nothing. Connections go to the nodes in turn; a node that does not answer is passed over.
 */
export class Balancer {
  readonly #server: Server;
  readonly #ports: readonly number[];
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = createServer((socket) => this.#carry(socket, this.#ports.length));
  }

  static async start(ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  /** `wss://` of the terminal listeners behind it. */
  get terminalUrl(): string {
    return `wss://127.0.0.1:${(this.#server.address() as AddressInfo).port}/kdh`;
  }

  /** Cuts every connection. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, 'close');
  }

  #carry(client: Socket, tries: number): void {
    const node = connect(this.#ports[this.#turn++ % this.#ports.length]!, '127.0.0.1');
    let connected = false;
    node.once('connect', () => {
      connected = true;
      client.pipe(node).pipe(client);
    });
    node.once('close', () => {
      if (!connected && tries > 1 && !client.destroyed) this.#carry(client, tries - 1);
      else client.destroy();
    });
    client.once('close', () => node.destroy());
    for (const socket of [client, node]) {
      socket.on('error', () => {}); // 'close' follows
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    }
  }
}
