import { type KeyObject, randomBytes, verify, X509Certificate } from 'node:crypto';
import { type ArgumentsHost, Catch, type ExceptionFilter, Logger, UseFilters } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  type Incoming,
  loadResultSignedBytes,
  ProtocolError,
  protocolCodes,
  protocolLimits,
  type Received,
} from '@openkdh/terminal-protocol';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database } from '../database/database.ts';
import { Dispatcher } from '../loads/dispatcher.ts';
import { Inventories } from '../loads/inventories.ts';
import { OutboxRelay } from '../loads/outbox-relay.ts';
import { ResultsService } from '../loads/results.service.ts';
import { UnknownOutcomes } from '../loads/unknown-outcomes.ts';
import { KdhCredential } from '../pki/kdh-credential.ts';
import { Binding, type BindingParty } from './binding.ts';
import { type TerminalConnection, unavailable } from './connection.ts';
import { type OpenedSession, SessionOpener } from './session-opener.ts';
import { type LiveSession, SessionRegistry } from './session-registry.ts';

type Message<T extends Incoming<'kdh'>['t']> = Received<Extract<Incoming<'kdh'>, { t: T }>>;

/** Version of the rules that WELCOME announces; terminals keep it with what they store. */
const POLICY_VERSION = 1;

@Catch()
class RefuseMessage implements ExceptionFilter {
  private readonly logger = new Logger('Sessions');

  catch(error: Error, host: ArgumentsHost): void {
    const connection = host.switchToWs().getClient<TerminalConnection>();
    const { id } = host.switchToWs().getData<Received<Incoming<'kdh'>>>();
    if (error instanceof ProtocolError) return connection.refuse(error, id);
    this.logger.error({ event: 'session.failed', serial: connection.peer.serial, msg: error.message });
    connection.refuse(unavailable(), id);
  }
}

/** The terminal's side of the KDH: one handler for each message of `kdh.v1`. docs/protocol.md. */
@WebSocketGateway()
@UseFilters(RefuseMessage)
export class SessionsGateway {
  private readonly logger = new Logger('Sessions');

  constructor(
    private readonly database: Database,
    private readonly opener: SessionOpener,
    private readonly sessions: SessionRegistry,
    private readonly binding: Binding,
    private readonly credential: KdhCredential,
    private readonly dispatcher: Dispatcher,
    private readonly results: ResultsService,
    private readonly unknownOutcomes: UnknownOutcomes,
    private readonly inventories: Inventories,
    private readonly relay: OutboxRelay,
  ) {}

  handleDisconnect(connection: TerminalConnection): void {
    const { live } = connection;
    if (!live) return;
    this.sessions.remove(live);
    this.dispatcher.sessionEnded(live);
    this.opener
      .close(live)
      .catch((error: Error) => this.logger.warn({ event: 'session.close-not-recorded', msg: error.message }));
  }

  @SubscribeMessage('HELLO')
  async hello(connection: TerminalConnection, { b: hello, id }: Message<'HELLO'>): Promise<void> {
    const { peer } = connection;
    if (hello.serial !== peer.serial)
      throw new ProtocolError('CERT_MISMATCH', 'serial is not that of the certificate');
    const opened = await this.opener.open({
      terminalId: peer.terminalId,
      serial: peer.serial,
      sessionId: connection.sessionId,
      tlsFingerprint: connection.certificateFingerprint,
      hello,
    });
    requireActive(opened);
    const bound = this.checkBinding(opened, hello.bindState?.kdhCertificateFingerprint);
    const live = liveSession(connection, opened, bound);
    connection.live = live;
    connection.encryptionFingerprint = opened.encryptionFingerprint;
    connection.send(
      {
        t: 'WELCOME',
        b: {
          epoch: Number(opened.epoch),
          serverTime: new Date().toISOString(),
          nonceK: randomBytes(16).toString('base64'),
          pingMs: protocolLimits.pingMs,
          maxFrameBytes: protocolLimits.maxFrameBytes,
          policyVersion: POLICY_VERSION,
        },
      },
      id,
    );
    connection.startPinging();
    const { number, closeCode } = protocolCodes.SUPERSEDED_SESSION;
    this.sessions.register(live)?.kick(number, closeCode, 0);
    for (const attempt of opened.unknown) live.send({ t: 'QUERY', b: { attempt } });
    if (hello.inventoryDigest !== opened.inventoryDigest) live.send({ t: 'QUERY', b: { inventory: true } });
    if (bound) await this.dispatcher.drain(live);
  }

  @SubscribeMessage('BIND_REQ')
  bindRequest(connection: TerminalConnection, { b, id }: Message<'BIND_REQ'>): void {
    this.binding.acceptCredential(Buffer.from(b.token, 'base64'), partyOf(connection));
    const token = Buffer.from(this.credential.credentialToken()).toString('base64');
    connection.send({ t: 'BIND_CHALLENGE', b: { token } }, id);
  }

  @SubscribeMessage('RANDOM')
  async random(connection: TerminalConnection, { b, id }: Message<'RANDOM'>): Promise<void> {
    const live = connection.live as LiveSession;
    const party = partyOf(connection);
    const nonce = this.binding.readNonce(Buffer.from(b.token, 'base64'));
    if (!live.ready) {
      connection.send({ t: 'BIND', b: await this.binding.bind(party) }, id);
      live.ready = true;
    }
    const { queued, waiting } = await this.binding.requestFirstKey(party, nonce);
    if (queued) this.relay.wake();
    if (waiting) this.dispatcher.wake([{ attemptId: waiting, terminalId: live.terminalId }]);
  }

  @SubscribeMessage('LOAD_RESULT')
  async loadResult(connection: TerminalConnection, { b: result, id }: Message<'LOAD_RESULT'>): Promise<void> {
    const live = connection.live as LiveSession;
    const signed = loadResultSignedBytes(result, live.serial);
    if (!verify('sha256', signed, live.signingKey, Buffer.from(result.signature, 'base64'))) {
      // A forged result must not move an attempt; who holds the signing key can still report.
      throw new ProtocolError('RESULT_SIGNATURE', `attempt ${result.attempt}`);
    }
    const { verdict, ack } = await this.results.record(live, result);
    this.dispatcher.answered(result.attempt, live);
    if (verdict === 'contradiction') {
      throw new ProtocolError('DUPLICATE_RESULT_DIFFERS', `attempt ${result.attempt}`);
    }
    connection.send({ t: 'LOAD_ACK', b: { attempt: result.attempt, verdict: ack } }, id);
  }

  @SubscribeMessage('INVENTORY')
  async inventory(connection: TerminalConnection, { b }: Message<'INVENTORY'>): Promise<void> {
    await this.inventories.record(connection.peer, b.slots);
  }

  @SubscribeMessage('ERROR')
  async error(connection: TerminalConnection, { b, re }: Message<'ERROR'>): Promise<void> {
    const { peer, live } = connection;
    const attempt = re === undefined ? undefined : connection.queried.get(re);
    this.logger.warn({
      event: 'terminal.error',
      serial: peer.serial,
      attempt,
      code: b.code,
      msg: b.detail ?? b.name,
    });
    if (live && attempt && b.code === protocolCodes.UNKNOWN_ATTEMPT.number) {
      await this.unknownOutcomes.terminalDoesNotKnow(live, attempt);
      return;
    }
    await appendAuditEvents(this.database, [
      {
        type: 'terminal.error',
        actor: `terminal:${peer.serial}`,
        terminalId: peer.terminalId,
        attemptId: attempt,
        body: { code: b.code, ...(b.detail && { detail: b.detail }) },
      },
    ]);
  }

  /** True when both sides agree that they are bound to each other. */
  private checkBinding(opened: OpenedSession, terminalsKdh: string | undefined): boolean {
    if (terminalsKdh === undefined) return false;
    if (terminalsKdh !== this.credential.current().fingerprint) {
      throw new ProtocolError('BOUND_TO_OTHER_KDH', 'unbind or rebind first');
    }
    if (opened.boundKdhFingerprint !== terminalsKdh) {
      throw new ProtocolError('NOT_BOUND', 'the KDH has no record of this binding', { fatal: true });
    }
    return true;
  }
}

function requireActive({ terminalState }: OpenedSession): void {
  if (terminalState === 'REVOKED') throw new ProtocolError('CERT_REVOKED', 'the terminal is revoked');
  if (terminalState === 'SUSPENDED') throw new ProtocolError('SUSPENDED', 'the terminal is suspended');
}

function liveSession(connection: TerminalConnection, opened: OpenedSession, bound: boolean): LiveSession {
  let signingKey: KeyObject | undefined;
  return {
    sessionId: connection.sessionId,
    terminalId: connection.peer.terminalId,
    serial: connection.peer.serial,
    epoch: opened.epoch,
    get signingKey() {
      // Read at its first use: when thousands come back, most of them have nothing to sign.
      signingKey ??= new X509Certificate(opened.signingCertificate).publicKey;
      return signingKey;
    },
    ready: bound,
    send: (message, re) => connection.send(message, re),
    kick: (code, closeCode, retryAfterMs) => {
      connection.send({ t: 'KICK', b: { code, retryAfterMs } });
      connection.close(closeCode, 'kicked');
    },
  };
}

function partyOf(connection: TerminalConnection): BindingParty {
  return {
    terminalId: connection.peer.terminalId,
    serial: connection.peer.serial,
    encryptionFingerprint: connection.encryptionFingerprint,
  };
}
