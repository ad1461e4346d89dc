import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { atMost, forEachAtMost } from './concurrency.ts';
import { Connection } from './connection.ts';
import { type EnrolmentApi, enrol } from './enrol.ts';
import { TerminalSimError } from './errors.ts';
import { logStored } from './events.ts';
import { certificationRequests, makeIdentity } from './identity.ts';
import type { Log } from './log.ts';
import { behaviourOf, type Misdemeanour } from './misbehaviour.ts';
import { writeOracle } from './oracle.ts';
import { type ConnectionEnd, nextConnection } from './reconnect.ts';
import type { Change, TerminalRecord } from './record.ts';
import type { Store } from './store.ts';
import { isLoaded } from './terminal.ts';

export interface FleetOptions {
  readonly serials: readonly string[];
  /** `wss://host:port`. */
  readonly kdh: string;
  readonly enrolment: EnrolmentApi;
  readonly misdemeanours: readonly Misdemeanour[];
  /** Where to write what `writeOracle` says; absent: nowhere. */
  readonly oracleFile?: string;
  readonly store: Store<TerminalRecord, Change>;
  readonly log: Log;
  /** Jitter of reconnections: a number from 0 to 1. */
  random(): number;
}

/** Together they share the commits of the KDH and its pipeline to the HSM. */
const enrolmentsAtATime = 32;
/** RSA key generation shares the four threads of Node's pool with the journal's fdatasync. */
const keyGenerationsAtATime = 2;
/** A TLS handshake costs this process some 2.5 ms: many more at a time would only run into their timeouts. */
const handshakesAtATime = 64;
const sweepMs = 100;
const progressMs = 1_000;
/** How long connections may take to close in good order. */
const goodbyeMs = 2_000;

/** A terminal as the fleet drives it: without a timer of its own, one sweep goes over all of them. */
interface Member {
  readonly serial: string;
  connection?: Connection;
  /** Connections so far. */
  connections: number;
  failures: number;
  /** When to connect, as of `performance.now()`: not before it is enrolled, and not after it was stopped. */
  connectAt: number;
}

/** All terminals of one process: has them enrolled, keeps them connected, says how far they are. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #members: readonly Member[];
  readonly #makeIdentity = atMost(keyGenerationsAtATime, makeIdentity);
  readonly #loaded = new Set<string>();
  readonly #stop = new AbortController();
  #wasLoaded = false;
  #lastProgress = '';
  #oracleIsOld = true;
  #oracleWritten: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#members = options.serials.map((serial) => ({
      serial,
      connections: 0,
      failures: 0,
      connectAt: Number.POSITIVE_INFINITY,
    }));
  }

  /**
   * Runs until `stop` is called, then closes every connection in good order.
   * @throws TerminalSimError STORE_FAILED, STORE_TAKEN_OVER
   */
  async run(): Promise<void> {
    const { serials, kdh, store, log } = this.#options;
    for (const serial of serials) this.#noteLoaded(serial);
    log('info', 'ready', 'the terminals are on', {
      terminals: serials.length,
      kdh,
      droppedBytes: store.droppedBytes,
    });
    const sweep = setInterval(() => this.#sweep(), sweepMs);
    const progress = setInterval(() => this.#everySecond(), progressMs);
    const enrolling = this.#enrolAll();
    await aborted(this.#stop.signal);
    clearInterval(sweep);
    clearInterval(progress);
    await enrolling;
    await this.#disconnect();
    this.#progress();
    await this.#writeOracle();
    if (this.#failure) throw this.#failure;
  }

  /** Ends `run`. */
  stop(): void {
    this.#stop.abort();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#stop.abort();
  }

  async #enrolAll(): Promise<void> {
    try {
      await forEachAtMost(enrolmentsAtATime, this.#members, async (member) => {
        if (await this.#enrolled(member.serial)) member.connectAt = performance.now();
      });
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#fail(error);
    }
  }

  /** Makes the terminal's keys and has it enrolled, as far as that is not done. False: the KDH will not have it. */
  async #enrolled(serial: string): Promise<boolean> {
    const { store, enrolment: api, log } = this.#options;
    if (store.records.get(serial)?.enrolment) return true;
    if (!store.records.has(serial)) {
      // Kept before the KDH hears of them: a terminal that lost its keys could not be enrolled again.
      const identity = await this.#makeIdentity();
      await store.commit(serial, { identity, epoch: 0, slots: {}, results: [] });
    }
    const csrs = await certificationRequests(serial, store.records.get(serial)!.identity);
    try {
      await store.commit(serial, { enrolment: await enrol(api, { serial, csrs }, this.#stop.signal) });
    } catch (error) {
      if (!(error instanceof TerminalSimError) || error.code !== 'ENROLMENT_REFUSED') throw error;
      log('error', 'enrolment-refused', error.message, { serial });
      return false;
    }
    log('info', 'enrolled', 'the terminal has its certificates', { serial });
    return true;
  }

  #sweep(): void {
    const now = performance.now();
    let handshakes = this.#members.filter(({ connection }) => connection?.isConnecting).length;
    for (const member of this.#members) {
      if (member.connection) {
        member.connection.checkAlive(now);
      } else if (member.connectAt <= now && handshakes < handshakesAtATime) {
        handshakes += 1;
        this.#connect(member);
      }
    }
  }

  #connect(member: Member): void {
    const { kdh, store, log, misdemeanours } = this.#options;
    const { serial } = member;
    member.connections += 1;
    member.connection = new Connection({
      serial,
      kdh,
      store,
      log,
      behaviour: behaviourOf(misdemeanours, serial, member.connections),
      onStored: (message) => {
        logStored(log, serial, store.records.get(serial)!, message);
        this.#noteLoaded(serial);
      },
      onEnd: (end, lastedMs) => this.#ended(member, end, lastedMs),
      onFailure: (error) => this.#fail(error),
    });
    void member.connection.open();
  }

  #ended(member: Member, end: ConnectionEnd, lastedMs: number): void {
    const { serial } = member;
    const { log, random } = this.#options;
    member.connection = undefined;
    const next = nextConnection(end, member.failures, lastedMs, random());
    if ('stop' in next) {
      member.connectAt = Number.POSITIVE_INFINITY;
      log('warn', 'off', `the terminal stays off: ${next.stop}`, { serial, ...end });
      return;
    }
    member.failures = next.failures;
    member.connectAt = performance.now() + next.delayMs;
    const retryMs = Math.round(next.delayMs);
    log(end.kind === 'closed' ? 'info' : 'warn', 'disconnected', end.kind, { serial, ...end, retryMs });
  }

  #noteLoaded(serial: string): void {
    const record = this.#options.store.records.get(serial);
    if (record && isLoaded(record)) this.#loaded.add(serial);
    else this.#loaded.delete(serial);
    this.#oracleIsOld = true;

    const { serials, log } = this.#options;
    const all = this.#loaded.size === serials.length;
    if (all && !this.#wasLoaded) {
      log('info', 'fleet-loaded', 'every terminal holds its keys', { terminals: serials.length });
    }
    this.#wasLoaded = all;
  }

  #everySecond(): void {
    this.#progress();
    this.#writeOracle().catch((error) => this.#fail(error));
  }

  #progress(): void {
    const { serials, store, log } = this.#options;
    const records = serials.map((serial) => store.records.get(serial));
    const fields = {
      terminals: serials.length,
      enrolled: records.filter((record) => record?.enrolment).length,
      connected: this.#members.filter(({ connection }) => connection?.isWelcomed).length,
      bound: records.filter((record) => record?.boundKdh).length,
      loaded: this.#loaded.size,
    };
    const progress = JSON.stringify(fields);
    if (progress === this.#lastProgress) return;
    this.#lastProgress = progress;
    log('info', 'progress', `${fields.loaded} of ${fields.terminals} loaded`, fields);
  }

  /** Keeps the oracle's file current, if one was asked for; one write after the other. */
  #writeOracle(): Promise<void> {
    const { oracleFile, store } = this.#options;
    this.#oracleWritten = this.#oracleWritten.then(async () => {
      if (oracleFile === undefined || !this.#oracleIsOld) return;
      this.#oracleIsOld = false;
      await writeOracle(oracleFile, store.records);
    });
    return this.#oracleWritten;
  }

  async #disconnect(): Promise<void> {
    const connected = () => this.#members.filter(({ connection }) => connection);
    for (const { connection } of connected()) connection!.close();
    const deadline = performance.now() + goodbyeMs;
    while (connected().length > 0 && performance.now() < deadline) await setTimeout(10);
    for (const { connection } of connected()) connection!.abort('stopped');
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
