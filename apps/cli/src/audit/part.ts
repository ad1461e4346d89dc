import type { Entry } from './entry.ts';
import { ksnSpace } from './ksn-space.ts';

/** Which entries a part of the log has; what is left out matches everything. */
export interface PartFilter {
  readonly terminal?: string | undefined;
  readonly from?: Date | undefined;
  readonly until?: Date | undefined;
  /** BDK or key set id of the KSNs: 8 hex digits for AES, 10 for TDES. */
  readonly bdk?: string | undefined;
  readonly campaign?: string | undefined;
  readonly run?: string | undefined;
}

/**
 * Chooses the entries of a part. A BDK, a campaign and a run are named in one entry of an attempt only, but the whole life
 * of the attempt is wanted: `note` is shown all entries first, and `has` then knows the attempts.
 */
export class Part {
  readonly #filter: PartFilter;
  readonly #attempts = new Set<string>();

  constructor(filter: PartFilter) {
    this.#filter = filter;
  }

  /** Whether `note` must see every entry before `has` is asked. */
  get needsAttempts(): boolean {
    const { bdk, campaign, run } = this.#filter;
    return bdk !== undefined || campaign !== undefined || run !== undefined;
  }

  note(entry: Entry): void {
    if (entry.attempt !== undefined && this.#isNamed(entry)) this.#attempts.add(entry.attempt);
  }

  has(entry: Entry): boolean {
    const { terminal, from, until } = this.#filter;
    const at = new Date(entry.time);
    if (terminal !== undefined && entry.terminal !== terminal) return false;
    if ((from !== undefined && at < from) || (until !== undefined && at >= until)) return false;
    if (!this.needsAttempts) return true;
    return entry.attempt === undefined ? this.#isNamed(entry) : this.#attempts.has(entry.attempt);
  }

  /** Whether the entry itself names what is wanted: any of BDK, campaign and run, as far as they are given. */
  #isNamed({ body }: Entry): boolean {
    const { bdk, campaign, run } = this.#filter;
    if (campaign !== undefined && body.campaign === campaign) return true;
    if (run !== undefined && body.run === run) return true;
    if (bdk === undefined) return false;
    const ksns = [body.first, body.last, ...(Array.isArray(body.ksns) ? body.ksns : [])];
    return ksns.some((ksn) => typeof ksn === 'string' && ksnSpace(ksn)?.bdkId === bdk);
  }
}
