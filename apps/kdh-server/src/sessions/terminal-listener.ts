import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { endpointPath, type ProtocolError, subprotocol } from '@openkdh/terminal-protocol';
import { WebSocketServer } from 'ws';
import { CONFIG, type Config } from '../config/config.ts';
import { GatewayCertificate } from '../pki/gateway-certificate.ts';
import { TerminalCertificates } from '../terminals/terminal-certificates.ts';
import { checkRequest, checkWhitelist, UpgradeRefusal } from './admission.ts';
import { TerminalConnection } from './connection.ts';
import { Intake } from './intake.ts';
import { gatewayLimits } from './limits.ts';
import { Refusals } from './refusals.ts';
import { TokenBuckets } from './token-bucket.ts';

/** Long enough for a terminal that comes back after a lost connection. */
const SESSION_TICKET_SECONDS = 300;

/** Time for terminals to take KICK and close before a shutdown cuts them off. */
const DRAIN_MILLISECONDS = 3_000;

/**
 * The listener for terminals: mutual TLS 1.3, its own port. Clients without a good certificate get as far as a readable
 * HTTP refusal, no further: the check of the certificate here is the lock, not OpenSSL's.
 */
@Injectable()
export class TerminalListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('TerminalListener');
  private readonly sockets = new WebSocketServer({
    noServer: true,
    maxPayload: gatewayLimits.maxFrameBytes,
    perMessageDeflate: false,
    handleProtocols: () => subprotocol,
  });
  private readonly connections = new Set<TerminalConnection>();
  private server: Server | undefined;
  private readonly intake: Intake;
  private readonly upgrades = new TokenBuckets(gatewayLimits.upgradesPerTerminal);
  private upgrading = 0;
  private stopping = false;
  private connected: (connection: TerminalConnection) => void = () => {};

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly gatewayCertificate: GatewayCertificate,
    private readonly certificates: TerminalCertificates,
    private readonly refusals: Refusals,
  ) {
    this.intake = new Intake(config.KDH_ADDRESS_CONNECTIONS_PER_SECOND);
  }

  onConnection(callback: (connection: TerminalConnection) => void): void {
    this.connected = callback;
  }

  /** The port in use; 0 before the listener is up. */
  get port(): number {
    const address = this.server?.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  async onApplicationBootstrap(): Promise<void> {
    const server = createServer({
      ...(await this.gatewayCertificate.load()),
      ca: this.certificates.issuersPem(),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      handshakeTimeout: gatewayLimits.handshakeMilliseconds,
      // Tickets are sealed with keys that only this process has: a session is resumed here or nowhere. It does not
      // matter for admission, which judges the certificate of a resumed session like that of a new one.
      sessionTimeout: SESSION_TICKET_SECONDS,
    });
    server.prependListener('connection', (socket) => this.takeIn(socket as Socket)); // before a handshake begins
    server.on('secureConnection', (socket) => this.intake.leave(socket.remoteAddress, socket.remotePort));
    server.on('request', (_request, response) => response.writeHead(426, { connection: 'close' }).end());
    server.on('tlsClientError', () => {}); // port scans and broken handshakes: nothing came through
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      this.admit(request).then(
        ({ known, fingerprint }) => {
          this.sockets.handleUpgrade(request, socket, head, (webSocket) => {
            const connection = new TerminalConnection(webSocket, known, fingerprint, (error) =>
              this.noteRefusal(error, known.serial, known.terminalId),
            );
            this.connections.add(connection);
            webSocket.once('close', () => this.connections.delete(connection));
            this.connected(connection);
          });
        },
        (error: unknown) => this.turnAway(socket, request, error),
      );
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.config.KDH_TERMINAL_PORT, this.config.KDH_TERMINAL_HOST, () => resolve());
    });
    this.server = server;
  }

  /** Rolling restart: every terminal is told to come back elsewhere, at a random time within ten seconds. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.server?.close();
    for (const connection of this.connections) {
      if (connection.live) connection.live.kick(5001, 1012, Math.floor(Math.random() * 10_000));
      else connection.close(1012, 'restart');
    }
    const end = Date.now() + DRAIN_MILLISECONDS;
    while (this.connections.size > 0 && Date.now() < end) await new Promise((wait) => setTimeout(wait, 20));
    for (const client of this.sockets.clients) client.terminate();
    this.server?.closeAllConnections();
  }

  private takeIn(socket: Socket): void {
    const { remoteAddress, remotePort } = socket; // gone once it is closed
    if (!this.intake.enter(socket, performance.now())) {
      this.refusals.noteCut();
      socket.destroy();
      return;
    }
    socket.once('close', () => this.intake.leave(remoteAddress, remotePort));
  }

  private async admit(request: IncomingMessage) {
    if (this.stopping || this.upgrading >= gatewayLimits.upgradesInFlight) throw new UpgradeRefusal('BUSY');
    this.upgrading += 1;
    try {
      const certificate = checkRequest(
        {
          path: new URL(request.url ?? '/', 'https://kdh').pathname,
          subprotocols: (request.headers['sec-websocket-protocol'] ?? '')
            .split(',')
            .map((name) => name.trim()),
          certificate: (request.socket as TLSSocket).getPeerX509Certificate(),
        },
        { path: endpointPath, subprotocol },
        (certificate) => this.certificates.checkTls(certificate),
      );
      const { known, fingerprint } = await this.certificates.findByTlsCertificate(certificate);
      const terminal = checkWhitelist(known);
      if (!this.upgrades.take(terminal.terminalId, performance.now())) throw new UpgradeRefusal('BUSY');
      return { known: terminal, fingerprint };
    } finally {
      this.upgrading -= 1;
    }
  }

  private turnAway(socket: Duplex, request: IncomingMessage, error: unknown): void {
    const refusal = error instanceof UpgradeRefusal ? error : new UpgradeRefusal('BUSY');
    if (refusal !== error) this.logger.error({ event: 'upgrade.failed', msg: (error as Error).message });
    const certificate = (request.socket as TLSSocket).getPeerX509Certificate?.();
    void this.refusals.record({ code: refusal.code, subject: certificate?.subject });
    const body = JSON.stringify({
      type: `urn:openkdh:problem:${refusal.code}`,
      title: STATUS_CODES[refusal.status],
      status: refusal.status,
      code: refusal.code,
      number: refusal.number,
      detail: refusal.message,
    });
    socket.end(
      `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nContent-Type: application/problem+json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n` +
        `${refusal.status === 503 ? `Retry-After: ${gatewayLimits.retryAfterSeconds}\r\n` : ''}\r\n${body}`,
    );
  }

  private noteRefusal(error: ProtocolError, serial: string, terminalId: string): void {
    void this.refusals.record({ code: error.code, detail: error.message, serial, terminalId });
  }
}
