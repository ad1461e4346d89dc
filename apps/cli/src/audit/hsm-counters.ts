import { type JsonValue, TransparencyLogError } from '@openkdh/transparency-log';
import type { Body } from './entry.ts';
import type { HsmLogs, LogHead } from './hsm-logs.ts';

/** A call of an HSM whose answer is lost is made once more, and releases its key twice. */
const RELEASES_PER_KEY = 2;

interface Anchor {
  readonly operations: number;
  readonly log: LogHead | undefined;
  /** How many keys the history had announced then. */
  readonly announced: number;
}

/**
 * What HSMs say of themselves (`hsm.anchored`) against what the history announces. docs/audit-log.md, rule 8. A count that
 * goes down, or a log that goes back, is of an HSM that was replaced by an older one; more keys released than announced
 * were released behind the KDH's back.
 */
export class HsmCounters {
  /** The last two anchors of each HSM, the older one first. */
  readonly #anchors = new Map<string, readonly Anchor[]>();
  readonly #logs: HsmLogs;
  #announced = 0;

  constructor(logs: HsmLogs) {
    this.#logs = logs;
  }

  /** `keys` are about to be asked of an HSM. */
  announce(keys: number): void {
    this.#announced += keys;
  }

  /** The database came from a backup, with a person's consent: what the HSM released meanwhile is announced nowhere. */
  forgetAnnouncements(): void {
    for (const [hsm, anchors] of this.#anchors) {
      this.#anchors.set(
        hsm,
        anchors.map((anchor) => ({ ...anchor, announced: Number.NEGATIVE_INFINITY })),
      );
    }
  }

  /** Returns what is malformed, in words. @throws TLOG_COUNTER_GAP, and as {@link HsmLogs.requireHead} */
  anchor({ hsm, operations, log }: Body): string | undefined {
    if (typeof hsm !== 'string' || hsm === '') return 'it names no HSM';
    if (!isCount(operations)) return 'it has no count of operations';
    const head = log === undefined ? undefined : headOf(log);
    if (log !== undefined && head === undefined) return 'it has no head of the HSM’s log';
    const anchor: Anchor = { operations, log: head, announced: this.#announced };
    const before = this.#anchors.get(hsm) ?? [];
    const last = before.at(-1);
    if (last !== undefined) {
      const since = before.length === 2 ? before[0]!.announced : Math.min(0, last.announced);
      requireContinuation(hsm, last, anchor, this.#announced - since);
    }
    if (head !== undefined) this.#logs.requireHead(hsm, head);
    this.#anchors.set(hsm, [...before.slice(-1), anchor]);
    return undefined;
  }
}

function requireContinuation(hsm: string, last: Anchor, anchor: Anchor, announced: number): void {
  const released = anchor.operations - last.operations;
  if (released < 0) {
    throw gap(`HSM ${hsm} counted ${last.operations} released keys, and then ${anchor.operations}`);
  }
  if (released > announced * RELEASES_PER_KEY) {
    throw gap(`HSM ${hsm} released ${released} keys where ${announced} were announced`);
  }
  if (last.log === undefined) return;
  if (anchor.log === undefined || anchor.log.seq < last.log.seq) {
    throw gap(`the log of HSM ${hsm} had ${last.log.seq} records, and then ${anchor.log?.seq ?? 'none'}`);
  }
  if (anchor.log.seq === last.log.seq && anchor.log.hash !== last.log.hash) {
    throw gap(`the log of HSM ${hsm} has another record ${last.log.seq} than before`);
  }
}

function headOf(log: JsonValue): LogHead | undefined {
  if (log === null || typeof log !== 'object' || Array.isArray(log)) return undefined;
  const { seq, hash } = log as Body;
  if (!isCount(seq) || typeof hash !== 'string' || !/^[0-9A-F]{64}$/.test(hash)) return undefined;
  return { seq, hash };
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function gap(message: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_COUNTER_GAP', message);
}
