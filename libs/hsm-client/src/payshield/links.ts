import { startDeadline } from '../deadline.ts';
import { HsmError } from '../errors.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { type Command, readAnswer, requestMessage } from './command.ts';
import { Connection, type HsmTls } from './connection.ts';
import { formatEndpoint, type PayShieldEndpoint } from './endpoint.ts';
import { HEADER_BYTES } from './frame.ts';
import type { HsmLogger } from './log.ts';
import { diagnostics, ioBufferSize, pciHsmCompliance } from './status-commands.ts';

export interface LinksOptions {
  /** In order of preference. */
  endpoints: readonly PayShieldEndpoint[];
  tls: HsmTls | undefined;
  /** Sockets kept open. */
  connections: number;
  /** For connecting, TLS handshake and first commands together. */
  timeoutMs: number;
  /** 6 hex digits; `undefined`: what the first HSM says counts from then on. */
  expectedLmkCheckValue: string | undefined;
  lmkId: number | undefined;
  log: HsmLogger | undefined;
}

/** A connection, and the place in the list of the HSM it leads to. */
export interface Link {
  readonly connection: Connection;
  readonly hsm: ListedHsm;
}

interface ListedHsm {
  readonly rank: number;
  readonly endpoint: PayShieldEndpoint;
  readonly circuit: CircuitBreaker;
  /** Why the circuit is open. */
  reason?: HsmError;
}

/** Requests under way on one socket. */
const MAX_IN_FLIGHT = 64;

/** Frames stay below 32 KB, and below the I/O buffer of the HSM where it is smaller. */
const MAX_FRAME_CONTENT_BYTES = 32_768;

/**
 * Keeps sockets to one or several HSMs that hold the same LMK. One loop connects, one socket at a time, always to the
 * first HSM of the list whose circuit allows it; so it moves back to an earlier HSM once that has recovered.
 */
export class Links {
  /** Bytes that a message, without header, may have. */
  maxMessageBytes = MAX_FRAME_CONTENT_BYTES - HEADER_BYTES;
  readonly #options: LinksOptions;
  readonly #changed: () => void;
  readonly #hsms: ListedHsm[];
  readonly #links = new Set<Link>();
  readonly #closing = new AbortController();
  #lmkCheckValue: string | undefined;
  #wake: () => void = () => {};

  /** `changed` is called when a link was added, or lost, or there is no prospect of one. */
  constructor(options: LinksOptions, changed: () => void) {
    this.#options = options;
    this.#changed = changed;
    this.#lmkCheckValue = options.expectedLmkCheckValue;
    this.#hsms = options.endpoints.map((endpoint, rank) => ({
      rank,
      endpoint,
      circuit: new CircuitBreaker(),
    }));
  }

  /** Resolves at the first link; throws, and leaves nothing open, when every HSM of the list was tried in vain. */
  async start(): Promise<void> {
    for (const hsm of this.#hsms) {
      if (await this.#tryToConnect(hsm)) {
        void this.#keepConnected();
        return;
      }
    }
    this.#closing.abort();
    throw mostTelling(this.#hsms);
  }

  /** Resolves when the sockets are gone. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    const connections = [...this.#links].map(({ connection }) => connection);
    for (const connection of connections) connection.destroy(closedError());
    await Promise.all(connections.map(({ ended }) => ended));
  }

  /** The link with the fewest requests under way; `undefined` when all are full, or there is none. */
  leastBusy(): Link | undefined {
    let best: Link | undefined;
    for (const link of this.#links) {
      const { usable, inFlight } = link.connection;
      if (usable && inFlight < (best?.connection.inFlight ?? MAX_IN_FLIGHT)) best = link;
    }
    return best;
  }

  /** Why nothing can be sent now or soon; `undefined` while there is a link or the prospect of one. */
  refusal(): HsmError | undefined {
    if (this.#closing.signal.aborted) return closedError();
    if (this.#links.size > 0 || this.#hsms.some(({ circuit }) => !circuit.open)) return undefined;
    const reason = mostTelling(this.#hsms);
    if (reason.code === 'HSM_WRONG_LMK') return new HsmError('HSM_WRONG_LMK', reason.message);
    return new HsmError('HSM_CIRCUIT_OPEN', `no HSM can be used now; ${reason.message}`, { cause: reason });
  }

  /** A command on this link was not answered in time. */
  timedOut(link: Link, header: string, reason: HsmError): void {
    link.connection.abandon(header);
    this.#failed(link.hsm, reason);
    this.#wake();
  }

  async #keepConnected(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const wanted = this.#wantedHsms();
      const hsm = wanted.find(({ circuit }) => circuit.allows(performance.now()));
      if (hsm !== undefined) await this.#tryToConnect(hsm);
      else await this.#untilWorthTrying(wanted);
    }
  }

  /** While sockets are missing, every HSM; otherwise those that stand before the last one in use. */
  #wantedHsms(): ListedHsm[] {
    const usable = this.#usableLinks();
    if (usable.length < this.#options.connections) return this.#hsms;
    const lastRank = Math.max(...usable.map(({ hsm }) => hsm.rank));
    return this.#hsms.filter(({ rank }) => rank < lastRank);
  }

  /** Waits until the pause of a wanted HSM ends, or something happens to a link. */
  async #untilWorthTrying(wanted: ListedHsm[]): Promise<void> {
    const retryAtMs = Math.min(...wanted.map(({ circuit }) => circuit.retryAtMs!));
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const timer = wanted.length > 0 ? setTimeout(this.#wake, retryAtMs - performance.now() + 1) : undefined;
    await woken;
    clearTimeout(timer);
  }

  /** Connects and finds the right HSM there, within one deadline; or opens its circuit. */
  async #tryToConnect(hsm: ListedHsm): Promise<boolean> {
    const { signal, end } = startDeadline(this.#options.timeoutMs, this.#closing.signal);
    try {
      const connection = await Connection.open(hsm.endpoint, this.#options.tls, signal);
      await this.#greet(connection, signal);
      hsm.circuit.connected();
      this.#add({ connection, hsm });
      return true;
    } catch (error) {
      hsm.circuit.trip(performance.now());
      this.#circuitOpened(hsm, error as HsmError);
      return false;
    } finally {
      end();
    }
  }

  /** NC, compared with the expected LMK; NO for buffer size and compliance, which a device may have disabled. */
  async #greet(connection: Connection, signal: AbortSignal): Promise<void> {
    const endpoint = formatEndpoint(connection.endpoint);
    const giveUp = (): void => {
      connection.destroy(
        new HsmError('HSM_UNREACHABLE', `HSM ${endpoint}: no answer to the first commands in time`),
      );
    };
    signal.addEventListener('abort', giveUp);
    try {
      const { lmkCheckValue, firmware } = await ask(connection, diagnostics(this.#options.lmkId));
      this.#lmkCheckValue ??= lmkCheckValue;
      if (lmkCheckValue !== this.#lmkCheckValue) {
        const message = `HSM ${endpoint}: its LMK has check value ${lmkCheckValue}, expected ${this.#lmkCheckValue}`;
        throw new HsmError('HSM_WRONG_LMK', message);
      }
      const bufferBytes = (await ask(connection, ioBufferSize()).catch(ifRefused)) ?? MAX_FRAME_CONTENT_BYTES;
      this.maxMessageBytes = Math.min(this.maxMessageBytes, bufferBytes - HEADER_BYTES);
      const pciHsmCompliant = await ask(connection, pciHsmCompliance()).catch(ifRefused);
      this.#options.log?.({
        level: 'info',
        event: 'hsm.connected',
        endpoint,
        lmkCheckValue,
        firmware,
        pciHsmCompliant,
      });
    } catch (error) {
      connection.destroy(error as HsmError);
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #add(link: Link): void {
    this.#links.add(link);
    void link.connection.ended.then((reason) => this.#ended(link, reason));
    const usable = this.#usableLinks();
    if (usable.length > this.#options.connections) {
      usable.reduce((last, each) => (each.hsm.rank > last.hsm.rank ? each : last)).connection.retire();
    }
    this.#changed();
  }

  #ended(link: Link, reason: HsmError): void {
    this.#links.delete(link);
    if (this.#closing.signal.aborted) return;
    const endpoint = formatEndpoint(link.hsm.endpoint);
    this.#options.log?.({ level: 'warn', event: 'hsm.disconnected', endpoint, reason: reason.message });
    if (!link.connection.retired) this.#failed(link.hsm, reason);
    this.#wake();
    this.#changed();
  }

  #failed(hsm: ListedHsm, reason: HsmError): void {
    if (hsm.circuit.open || !hsm.circuit.failed(performance.now())) return;
    this.#circuitOpened(hsm, reason);
    for (const link of this.#links) if (link.hsm === hsm) link.connection.destroy(reason);
  }

  #circuitOpened(hsm: ListedHsm, reason: HsmError): void {
    if (this.#closing.signal.aborted) return;
    hsm.reason = reason;
    this.#options.log?.({
      level: 'warn',
      event: 'hsm.circuit-open',
      endpoint: formatEndpoint(hsm.endpoint),
      reason: reason.message,
      retryInMs: Math.round(hsm.circuit.retryAtMs! - performance.now()),
    });
    this.#changed();
  }

  #usableLinks(): Link[] {
    return [...this.#links].filter(({ connection }) => connection.usable);
  }
}

/** One command on a connection that serves nobody yet. */
function ask<Result>(connection: Connection, command: Command<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    connection.send(requestMessage(command), {
      answered(message) {
        try {
          resolve(readAnswer(command, message));
        } catch (error) {
          reject(error);
        }
      },
      lost: reject,
    });
  });
}

function ifRefused(error: HsmError): undefined {
  if (error.code !== 'HSM_REFUSED') throw error;
}

/** A wrong LMK before anything else: it does not pass by itself. */
function mostTelling(hsms: ListedHsm[]): HsmError {
  const reasons = hsms.map(({ reason }) => reason!);
  return reasons.find(({ code }) => code === 'HSM_WRONG_LMK') ?? reasons[0]!;
}

function closedError(): HsmError {
  return new HsmError('HSM_CLOSED', 'the HSM client was closed');
}
