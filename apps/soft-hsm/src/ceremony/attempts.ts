import { SoftHsmError } from '../errors.ts';

/** So many failed authentications in a row, whoever's, are taken as tampering. */
export const mostFailures = 10;

/** Failed authentications at the management socket: each makes the same person wait twice as long, from 1 s on. */
export class Attempts {
  readonly #now: () => number;
  readonly #failures = new Map<string, { count: number; waitUntil: number }>();
  #inARow = 0;

  /** `now`: milliseconds of a clock that is never set. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Throws SOFT_HSM_STATE while `person` has to wait. */
  requireMay(person: string): void {
    const waitMs = (this.#failures.get(person)?.waitUntil ?? 0) - this.#now();
    if (waitMs > 0) {
      throw new SoftHsmError(
        'SOFT_HSM_STATE',
        `${person} must wait ${Math.ceil(waitMs / 1000)} s after failing`,
      );
    }
  }

  /** Takes note of a failure. True if there were too many. */
  failed(person: string): boolean {
    const count = (this.#failures.get(person)?.count ?? 0) + 1;
    this.#failures.set(person, { count, waitUntil: this.#now() + 1000 * 2 ** (count - 1) });
    this.#inARow += 1;
    return this.#inARow >= mostFailures;
  }

  succeeded(person: string): void {
    this.#failures.delete(person);
    this.#inARow = 0;
  }
}
