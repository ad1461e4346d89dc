import { randomBytes, verify, X509Certificate } from 'node:crypto';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { certificatePem, deviceSerialOf, fingerprint } from '@openkdh/pki';
import {
  endpointPath,
  type KdhMessage,
  type LoadResult,
  loadResultSignedBytes,
  openSession,
  ProtocolError,
  protocolLimits,
  type Received,
  type Session,
  type TerminalMessage,
} from '@openkdh/terminal-protocol';
import { parseRandomToken } from '@openkdh/tr34';
import { type WebSocket, WebSocketServer } from 'ws';
import { profileKeys, TestKdh } from './kdh.ts';
import type { TestCertificates } from './pki.ts';

/** What the stub knows of a terminal. */
export interface KnownTerminal {
  readonly serial: string;
  readonly device: number;
  readonly certificates: TestCertificates;
  epoch: number;
  nonce?: Uint8Array;
  kbpk?: Uint8Array;
  holdsKeys: boolean;
  /** What was sent and is not acknowledged; sent again, under the new epoch, in the next session. */
  open?: Load & { readonly kbpk?: Uint8Array };
  /** Verified results, in order. */
  readonly results: LoadResult[];
}

type Load = Extract<KdhMessage, { t: 'LOAD_KBPK' | 'LOAD_KEYS' }>;

/** What a test wants to be otherwise. */
export interface StubFaults {
  /** Changes a message; undefined: it is not sent. */
  tamper?(message: KdhMessage, terminal: KnownTerminal): KdhMessage | undefined;
  /** Answers a request for an upgrade with an HTTP status. */
  refuseUpgrade?(serial: string | undefined): { status: number; code: string } | undefined;
  /** Answers an enrolment with an HTTP status and a problem document. */
  refuseEnrolment?(serial: string): { status: number; code: string } | undefined;
}

/**
 * A KDH as far as a terminal can see it: enrolment by REST and, over real mutual TLS 1.3, binding, a KBPK by TR-34 and
 * the keys of a profile by TR-31. What it knows is in memory and outlives `disconnectAll`, but not `close`.
 */
export class KdhStub {
  readonly host: TestKdh;
  readonly terminals = new Map<string, KnownTerminal>();
  /** What came from terminals, and the codes of what was refused, in order. */
  readonly received: { serial: string; message: Received<TerminalMessage> }[] = [];
  readonly refusals: { serial: string; code: string }[] = [];
  faults: StubFaults = {};
  readonly #rest: Server;
  readonly #gateway: Server;
  readonly #sockets: WebSocketServer;

  private constructor(host: TestKdh) {
    this.host = host;
    this.#rest = createHttpServer((request, response) => void this.#enrol(request, response));
    const { cert, key } = host.pki.gateway;
    const tls = { cert, key, ca: host.pki.root, requestCert: true, rejectUnauthorized: false } as const;
    this.#gateway = createHttpsServer({ ...tls, minVersion: 'TLSv1.3' });
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: protocolLimits.maxFrameBytes,
      perMessageDeflate: false,
    });
    this.#gateway.on('upgrade', (request, socket, head) => {
      const peer = (request.socket as TLSSocket).getPeerX509Certificate();
      const serial = peer && deviceSerialOf(peer.raw);
      const terminal = this.terminals.get(serial ?? '');
      const refusal =
        this.faults.refuseUpgrade?.(serial) ??
        (terminal && request.url === endpointPath ? undefined : { status: 403, code: 'NOT_WHITELISTED' });
      if (refusal || !terminal) return refuseUpgrade(socket, refusal!);
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#serve(webSocket, terminal));
    });
  }

  static async start(): Promise<KdhStub> {
    const stub = new KdhStub(await TestKdh.create());
    for (const server of [stub.#rest, stub.#gateway]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return stub;
  }

  get api(): string {
    return `http://127.0.0.1:${(this.#rest.address() as AddressInfo).port}`;
  }

  get kdh(): string {
    return `wss://127.0.0.1:${(this.#gateway.address() as AddressInfo).port}`;
  }

  /** Drops every connection, as a crash would. */
  disconnectAll(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  async close(): Promise<void> {
    this.disconnectAll();
    for (const server of [this.#rest, this.#gateway]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #enrol(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { serial, csrs } = JSON.parse(text);
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const refusal = this.faults.refuseEnrolment?.(serial);
    if (refusal) return void answer(refusal.status, { ...refusal, detail: 'as the test wants it' });
    if (request.headers.authorization !== 'Bearer test-token')
      return void answer(401, { code: 'UNAUTHORIZED' });
    const { pki } = this.host;
    const certificates = this.terminals.get(serial)?.certificates ?? (await pki.certify(csrs));
    const known = { serial, certificates, device: this.terminals.size + 1 };
    if (!this.terminals.has(serial)) {
      this.terminals.set(serial, { ...known, epoch: 0, holdsKeys: false, results: [] });
    }
    const chain = certificatePem(pki.terminalCa) + pki.root;
    answer(201, {
      certificates,
      chain,
      kdhTrustAnchor: certificatePem(pki.kdhCa),
      gatewayTrustAnchor: pki.root,
    });
  }

  #serve(socket: WebSocket, terminal: KnownTerminal): void {
    const session = openSession('kdh');
    const { serial } = terminal;
    const send = (due: KdhMessage) => {
      const message = this.faults.tamper ? this.faults.tamper(due, terminal) : due;
      if (message) socket.send(session.send(message));
    };
    let mailbox = Promise.resolve();
    socket.on('error', () => {}); // a frame too long: ws has closed with 1009
    socket.on('message', (data, isBinary) => {
      mailbox = mailbox.then(async () => {
        try {
          const message = session.receive(isBinary ? '' : String(data));
          this.received.push({ serial, message });
          await this.#handle(message, terminal, session, send);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          this.refusals.push({ serial, code: error.code });
          socket.send(session.sendError(error));
          if (error.fatal) socket.close(error.closeCode);
        }
      });
    });
  }

  async #handle(
    message: Received<TerminalMessage>,
    terminal: KnownTerminal,
    session: Session<'kdh'>,
    send: (message: KdhMessage) => void,
  ): Promise<void> {
    switch (message.t) {
      case 'HELLO':
        if (message.b.serial !== terminal.serial)
          throw new ProtocolError('CERT_MISMATCH', 'another serial number');
        terminal.epoch += 1;
        send(welcome(terminal.epoch));
        if (message.b.bindState) await this.#load(terminal, send);
        return;
      case 'BIND_REQ':
        return send({ t: 'BIND_CHALLENGE', b: { token: base64(await this.host.credential()) } });
      case 'RANDOM':
        terminal.nonce = parseRandomToken(Buffer.from(message.b.token, 'base64'));
        if (session.phase === 'answered') {
          const kdhCertificateFingerprint = fingerprint(this.host.pki.signing.certificate);
          const krdCertificateFingerprint = fingerprint(terminal.certificates.encryption);
          send({ t: 'BIND', b: { kdhCertificateFingerprint, krdCertificateFingerprint } });
        }
        return this.#load(terminal, send);
      case 'LOAD_RESULT':
        return this.#judge(message.b, terminal, send);
      case 'INVENTORY':
      case 'ERROR':
        return;
    }
  }

  /** Sends what is open, or what comes next: a KBPK, then the keys of the profile. */
  async #load(terminal: KnownTerminal, send: (message: KdhMessage) => void): Promise<void> {
    const { epoch, nonce, kbpk, device, certificates } = terminal;
    if (!terminal.open && kbpk && !terminal.holdsKeys) {
      terminal.open = { t: 'LOAD_KEYS', b: this.host.loadKeys(epoch, profileKeys(kbpk, device)) };
    } else if (!terminal.open && !kbpk && nonce) {
      const key = randomBytes(16);
      const krdCertificate = new X509Certificate(certificates.encryption).raw;
      const b = await this.host.loadKbpk(key, { epoch, nonce, krdCertificate });
      terminal.open = { t: 'LOAD_KBPK', b, kbpk: key };
    }
    if (terminal.open) send({ t: terminal.open.t, b: { ...terminal.open.b, epoch } } as Load);
  }

  #judge(
    result: LoadResult,
    terminal: KnownTerminal,
    send: (message: KdhMessage) => void,
  ): Promise<void> | void {
    const { signing } = terminal.certificates;
    const signed = loadResultSignedBytes(result, terminal.serial);
    const signature = Buffer.from(result.signature, 'base64');
    if (!verify('sha256', signed, new X509Certificate(signing).publicKey, signature)) {
      throw new ProtocolError('BAD_TOKEN', 'the signature of the result does not verify');
    }
    terminal.results.push(result);
    const { open } = terminal;
    if (open?.b.attempt !== result.attempt) return send(ack(result, 'UNKNOWN'));
    const stored = result.results.every(({ code }) => code === 0);
    terminal.open = undefined;
    if (stored && open.t === 'LOAD_KBPK') terminal.kbpk = open.kbpk!;
    if (stored && open.t === 'LOAD_KEYS') terminal.holdsKeys = true;
    send(ack(result, stored ? 'ACCEPTED' : 'MISMATCH'));
    if (stored) return this.#load(terminal, send);
  }
}

function welcome(epoch: number): KdhMessage {
  return {
    t: 'WELCOME',
    b: {
      epoch,
      serverTime: new Date().toISOString(),
      nonceK: base64(randomBytes(16)),
      pingMs: protocolLimits.pingMs,
      maxFrameBytes: protocolLimits.maxFrameBytes,
      policyVersion: 1,
    },
  };
}

function ack({ attempt }: LoadResult, verdict: 'ACCEPTED' | 'MISMATCH' | 'UNKNOWN'): KdhMessage {
  return { t: 'LOAD_ACK', b: { attempt, verdict } };
}

function refuseUpgrade(socket: Duplex, problem: { status: number; code: string }): void {
  const body = JSON.stringify(problem);
  const head = `HTTP/1.1 ${problem.status} Refused\r\nContent-Length: ${body.length}\r\nConnection: close`;
  socket.end(`${head}\r\n\r\n${body}`);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
