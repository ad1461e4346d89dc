import { createHash } from 'node:crypto';
import { HsmError } from '../errors.ts';
import { badRequest, type Command, readAnswer, requestMessage } from './command.ts';
import { formatEndpoint } from './endpoint.ts';
import { type Link, Links, type LinksOptions } from './links.ts';

/** A repeatable command is sent at most this often: one that broke so many connections is itself suspect. */
const MAX_SENDS = 3;

/** Deadline of a slow command, as a multiple of the ordinary one: an RSA key of 4096 bits takes seconds. */
const SLOW_FACTOR = 12;

/** A command from the caller's call to its end. */
interface Call {
  readonly command: Command<unknown>;
  readonly message: Uint8Array;
  readonly timeoutMs: number;
  readonly deadline: NodeJS.Timeout;
  resolve(result: unknown): void;
  reject(error: HsmError): void;
  sends: number;
  underWay?: { link: Link; header: string; sentAtMs: number };
}

/** Commands over the links: each goes to the least busy one, waits while all are full, and has one deadline. */
export class Pool {
  readonly #options: LinksOptions;
  readonly #links: Links;
  /** In the order of arrival. */
  readonly #waiting = new Set<Call>();

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#links = new Links(options, () => this.#linksChanged());
  }

  /** Resolves at the first connection; throws, and leaves nothing open, when every HSM was tried in vain. */
  start(): Promise<void> {
    return this.#links.start();
  }

  /** Ends every call with HSM_CLOSED; resolves when the sockets are gone. Idempotent. */
  async close(): Promise<void> {
    const closed = this.#links.close();
    this.#linksChanged();
    await closed;
  }

  async execute<Result>(command: Command<Result>): Promise<Result> {
    const message = requestMessage(command);
    if (message.length > this.#links.maxMessageBytes) {
      const limit = this.#links.maxMessageBytes;
      throw badRequest(
        `${command.code}: ${message.length} bytes are more than the ${limit} that the HSM takes`,
      );
    }
    const timeoutMs = this.#options.timeoutMs * (command.slow ? SLOW_FACTOR : 1);
    return new Promise((resolve, reject) => {
      const call: Call = {
        command,
        message,
        timeoutMs,
        deadline: setTimeout(() => this.#expire(call), timeoutMs),
        resolve: resolve as (result: unknown) => void,
        reject,
        sends: 0,
      };
      this.#dispatch(call);
    });
  }

  #dispatch(call: Call): void {
    const refusal = this.#links.refusal();
    if (refusal !== undefined) return this.#reject(call, refusal);
    const link = this.#links.leastBusy();
    if (link === undefined) {
      this.#waiting.add(call);
      return;
    }
    call.sends += 1;
    const header = link.connection.send(call.message, {
      answered: (message) => this.#answered(call, link, message),
      lost: (reason) => this.#lost(call, reason),
    });
    call.underWay = { link, header, sentAtMs: performance.now() };
  }

  #dispatchWaiting(): void {
    for (const call of this.#waiting) {
      if (this.#links.leastBusy() === undefined) return;
      this.#waiting.delete(call);
      this.#dispatch(call);
    }
  }

  #linksChanged(): void {
    const refusal = this.#links.refusal();
    if (refusal === undefined) return this.#dispatchWaiting();
    for (const call of this.#waiting) this.#reject(call, refusal);
  }

  #answered(call: Call, link: Link, message: Uint8Array): void {
    try {
      this.#resolve(call, readAnswer(call.command, message));
      link.hsm.circuit.served();
    } catch (error) {
      const refusal = error as HsmError;
      this.#reject(call, refusal);
      if (refusal.code === 'HSM_REFUSED') link.hsm.circuit.served();
      // What does not keep to the form of an answer may have lost its place in the stream.
      else link.connection.destroy(refusal);
    }
    this.#dispatchWaiting();
  }

  #lost(call: Call, reason: HsmError): void {
    if (call.command.repeatable && call.sends < MAX_SENDS && reason.code !== 'HSM_CLOSED') {
      delete call.underWay;
      this.#dispatch(call);
    } else {
      this.#reject(call, new HsmError(reason.code, reason.message, { mayHaveExecuted: true, cause: reason }));
    }
  }

  #expire(call: Call): void {
    const { underWay, command, timeoutMs, sends } = call;
    if (underWay === undefined) {
      const message = `${command.code}: the HSM could not take the command within ${timeoutMs} ms`;
      return this.#reject(call, new HsmError('HSM_UNREACHABLE', message, { mayHaveExecuted: sends > 0 }));
    }
    const { link, header } = underWay;
    const message = `${command.code}: no answer from ${formatEndpoint(link.hsm.endpoint)} within ${timeoutMs} ms`;
    const timeout = new HsmError('HSM_TIMEOUT', message, { mayHaveExecuted: true });
    this.#reject(call, timeout);
    this.#links.timedOut(link, header, timeout);
  }

  #resolve(call: Call, result: unknown): void {
    this.#settle(call);
    call.resolve(result);
  }

  #reject(call: Call, error: HsmError): void {
    this.#settle(call);
    this.#logFailure(call, error.answer ?? error.code);
    call.reject(error);
  }

  #settle(call: Call): void {
    clearTimeout(call.deadline);
    this.#waiting.delete(call);
  }

  /** What was carried out is in the HSM's own log; thousands a second would drown ours. */
  #logFailure(call: Call, result: string): void {
    const { underWay, command } = call;
    if (this.#options.log === undefined || underWay === undefined) return;
    this.#options.log({
      level: 'warn',
      event: 'hsm.command-failed',
      endpoint: formatEndpoint(underWay.link.hsm.endpoint),
      command: command.code,
      header: underWay.header,
      requestBytes: call.message.length,
      result,
      milliseconds: Math.round(performance.now() - underWay.sentAtMs),
      keys: command.keys.map((key) =>
        createHash('sha256').update(key).digest('hex').slice(0, 16).toUpperCase(),
      ),
    });
  }
}
