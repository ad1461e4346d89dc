/** Failures in a row, without an answer between them, after which an HSM is left alone. */
const FAILURE_LIMIT = 5;

/** The first pause, and the longest; each pause is twice the one before it. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Decides whether an HSM may be tried now. Closed: yes. Open: not before `retryAtMs`. After the pause one attempt to
 * connect is the trial: it closes the circuit, but the next failure opens it again at once, for longer, until the HSM
 * has answered a command. Time is given by the caller, in milliseconds of a clock that does not jump.
 */
export class CircuitBreaker {
  #failures = 0;
  /** Pauses since the last answer. */
  #pauses = 0;
  #retryAtMs: number | undefined;
  readonly #jitter: () => number;

  /** `jitter`: 0 to 1; spreads the attempts of many clients over half the pause. */
  constructor(jitter: () => number = Math.random) {
    this.#jitter = jitter;
  }

  get open(): boolean {
    return this.#retryAtMs !== undefined;
  }

  /** When the pause ends; `undefined` while closed. */
  get retryAtMs(): number | undefined {
    return this.#retryAtMs;
  }

  allows(nowMs: number): boolean {
    return this.#retryAtMs === undefined || nowMs >= this.#retryAtMs;
  }

  /** A connection stands, with the right HSM behind it. */
  connected(): void {
    this.#retryAtMs = undefined;
  }

  /** A command was answered. */
  served(): void {
    this.#failures = 0;
    this.#pauses = 0;
  }

  /** A connection broke, or a command was not answered in time. Returns whether the circuit is open now. */
  failed(nowMs: number): boolean {
    this.#failures += 1;
    if (this.#failures >= FAILURE_LIMIT || this.#pauses > 0) this.trip(nowMs);
    return this.open;
  }

  /** No connection could be had: opens at once. */
  trip(nowMs: number): void {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#pauses, LONGEST_PAUSE_MS);
    this.#pauses += 1;
    this.#failures = 0;
    this.#retryAtMs = nowMs + pauseMs / 2 + (this.#jitter() * pauseMs) / 2;
  }
}
