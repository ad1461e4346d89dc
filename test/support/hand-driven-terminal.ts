import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { createCertificationRequest } from '@openkdh/pki';
import {
  type KdhMessage,
  openSession,
  type Received,
  type Session,
  type TerminalMessage,
} from '@openkdh/terminal-protocol';
import { type ClientOptions, WebSocket } from 'ws';
import type { EnrolledTerminal } from '../../apps/kdh-server/src/terminals/terminals.schemas.ts';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import type { Stack } from './stack.ts';

/** A terminal on the whitelist, with what it needs to open a TLS connection. */
export interface Enrolled {
  id: string;
  serial: string;
  /** PEM: its TLS key and certificate, and the root that the gateway's certificate comes from. */
  tls: { key: string; cert: string; ca: string };
}

export async function enrolTerminal(stack: Stack, serial: string): Promise<Enrolled> {
  const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const keys = [p256(), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, p256()];
  const [tls, encryption, signing] = await Promise.all(
    keys.map((key) => createCertificationRequest({ serial, key })),
  );
  const enrolled = await stack.api.post<EnrolledTerminal>('/terminals', {
    serial,
    model: 'by hand',
    profileId: await provisionKeys(stack.api),
    csrs: { tls, encryption, signing },
  });
  return {
    id: enrolled.id,
    serial,
    tls: {
      key: keys[0]!.export({ type: 'pkcs8', format: 'pem' }) as string,
      cert: enrolled.certificates.tls,
      ca: enrolled.gatewayTrustAnchor,
    },
  };
}

/** What became of an upgrade: 101, or the status and the code of its refusal. */
export interface UpgradeOutcome {
  status: number;
  code?: string;
  number?: number;
}

/** `session`: a TLS session to resume. */
type ConnectOptions = ClientOptions & Pick<ConnectionOptions, 'session'>;

/** One connection of a terminal whose every frame a test writes. */
export class HandDrivenTerminal {
  readonly socket: WebSocket;
  readonly received: Received<KdhMessage>[] = [];
  readonly upgrade: Promise<UpgradeOutcome>;
  /** Set once the server has answered. */
  tls: TLSSocket | undefined;
  readonly #session: Session<'terminal'> = openSession('terminal');
  readonly #serial: string;
  readonly #closed: Promise<number>;

  constructor(terminal: Enrolled, url: string, options: ConnectOptions = {}) {
    this.#serial = terminal.serial;
    this.socket = new WebSocket(url, 'kdh.v1', { ...terminal.tls, ...options });
    this.#closed = new Promise((resolve) => this.socket.once('close', resolve)); // events.once would reject at 'error'
    this.socket.on('message', (data) => this.received.push(this.#session.receive(String(data))));
    this.socket.on('upgrade', ({ socket }) => {
      this.tls = socket as TLSSocket;
    });
    this.socket.on('error', () => {}); // 'close' follows
    this.upgrade = new Promise((resolve, reject) => {
      this.socket.on('open', () => resolve({ status: 101 }));
      this.socket.on('close', () => reject(new Error('the connection was closed before the upgrade')));
      this.socket.on('unexpected-response', (_request, response) => {
        this.tls = response.socket as TLSSocket;
        resolve(
          json(response).then((problem) => ({
            status: response.statusCode as number,
            ...(problem as object),
          })),
        );
      });
    });
    this.upgrade.catch(() => {}); // for those who do not wait for it
  }

  /** Connects and says HELLO as a terminal that is bound to nobody; returns once it is welcomed. */
  static async welcomed(
    terminal: Enrolled,
    url: string,
    options: ConnectOptions = {},
  ): Promise<HandDrivenTerminal> {
    const connection = new HandDrivenTerminal(terminal, url, options);
    await connection.upgrade;
    connection.hello();
    await connection.message('WELCOME');
    return connection;
  }

  hello(): void {
    this.send({
      t: 'HELLO',
      b: {
        serial: this.#serial,
        model: 'by hand',
        hardware: '1',
        firmware: '1',
        capabilities: { tr34: ['2pass'], tr31: ['B', 'D'], algorithms: ['A128', 'T2', 'T3'], slots: 2 },
        bindState: null,
        nonceD: randomBytes(16).toString('base64'),
        inventoryDigest: '0'.repeat(64),
      },
    });
  }

  send(message: TerminalMessage): void {
    this.socket.send(this.#session.send(message));
  }

  /** The first message of type `t` that has come or comes. */
  async message<T extends KdhMessage['t']>(t: T): Promise<Extract<Received<KdhMessage>, { t: T }>> {
    for (;;) {
      const found = this.received.find((message) => message.t === t);
      if (found) return found as Extract<Received<KdhMessage>, { t: T }>;
      if (this.socket.readyState !== WebSocket.OPEN) throw new Error(`closed, and no ${t} came`);
      await Promise.race([once(this.socket, 'message'), this.#closed]);
    }
  }

  /** The close code, once the connection is closed; 1006 when it was cut. */
  closed(): Promise<number> {
    return this.#closed;
  }
}
