import {
  DenseCounters,
  type EntryRule,
  type JsonValue,
  TransparencyLogError,
} from '@openkdh/transparency-log';
import { type Entry, parseEntry } from './entry.ts';
import { HsmCounters } from './hsm-counters.ts';
import type { HsmLogs } from './hsm-logs.ts';
import { ksnSpace } from './ksn-space.ts';
import { RequestedAttempts } from './requested-attempts.ts';

/**
 * Which state may follow which. docs/audit-log.md, "Rules"; a state that has no successor is final.
 * It is the auditor's own copy, so that a KDH that changes its machine has to tell.
 */
const successors: Readonly<Record<string, readonly string[]>> = {
  REQUESTED: ['APPROVED', 'REJECTED', 'CANCELLED', 'EXPIRED'],
  APPROVED: ['KSN_RESERVED', 'DERIVING', 'CANCELLED', 'EXPIRED', 'FAILED'],
  KSN_RESERVED: ['DERIVING', 'CANCELLED', 'EXPIRED', 'FAILED'],
  DERIVING: ['DERIVING', 'WRAPPED', 'CANCELLED', 'EXPIRED', 'FAILED'],
  WRAPPED: ['DISPATCHABLE', 'CANCELLED', 'EXPIRED'],
  DISPATCHABLE: ['SENT', 'CANCELLED', 'EXPIRED'],
  SENT: ['RESULT_RECEIVED', 'OUTCOME_UNKNOWN'],
  RESULT_RECEIVED: ['CONFIRMED', 'QUARANTINED', 'FAILED'],
  OUTCOME_UNKNOWN: ['RESULT_RECEIVED', 'DISPATCHABLE', 'QUARANTINED'],
  CONFIRMED: [],
  REJECTED: [],
  FAILED: [],
  EXPIRED: [],
  CANCELLED: [],
  QUARANTINED: [],
};

interface OpenAttempt {
  readonly kind: JsonValue | undefined;
  readonly terminal: string;
  readonly requestedBy: string;
  state: string;
  version: number;
  approvers: readonly string[];
  ksns: readonly string[];
}

/** What the entries of a history amount to. */
export interface AttemptCounts {
  /** Attempts by their final state. */
  readonly ended: Readonly<Record<string, number>>;
  /** Attempts that have no final state yet. */
  readonly open: number;
  /** KSNs reserved. */
  readonly ksns: number;
}

/**
 * The rules of docs/audit-log.md over the attempts of a whole history. Holds what is open, and a number for each terminal
 * and BDK. That an attempt which has ended is requested again is found at the end, or when another rule is broken.
 */
export class AttemptRules implements EntryRule {
  readonly #approvals: number;
  readonly #open = new Map<string, OpenAttempt>();
  readonly #requested = new RequestedAttempts();
  readonly #endedByState: Record<string, number> = {};
  readonly #numbers = new DenseCounters('attempts of terminal', 1n);
  readonly #devices = new DenseCounters('KSNs of BDK', 1n);
  readonly #hsms: HsmCounters;
  readonly #hsmLogs: HsmLogs;
  #ksns = 0;

  /**
   * `approvals`: how many people other than who asked must have approved an attempt that is confirmed. `hsmLogs`: the HSMs' own
   * logs, as far as the bundle has them.
   */
  constructor(approvals: number, hsmLogs: HsmLogs) {
    this.#approvals = approvals;
    this.#hsmLogs = hsmLogs;
    this.#hsms = new HsmCounters(hsmLogs);
  }

  /** @throws TLOG_RULE_BROKEN, TLOG_COUNTER_GAP; TLOG_MALFORMED, TLOG_NOT_CANONICAL */
  entry(bytes: Uint8Array, index: bigint): void {
    try {
      const entry = parseEntry(bytes, index);
      const broken = this.#judge(entry, index);
      if (broken !== undefined) throw ruleBroken(index, entry.type, broken);
    } catch (error) {
      this.#requireRequestedOnce(); // a rule that was broken before comes first
      throw error;
    }
  }

  /** @throws TLOG_RULE_BROKEN (an attempt was requested twice), and as {@link HsmLogs.end} */
  end(): void {
    this.#requireRequestedOnce();
    this.#hsmLogs.end();
  }

  get counts(): AttemptCounts {
    return { ended: { ...this.#endedByState }, open: this.#open.size, ksns: this.#ksns };
  }

  #requireRequestedOnce(): void {
    const repeat = this.#requested.firstRepeat();
    if (repeat === undefined) return;
    throw ruleBroken(repeat.index, 'attempt.requested', `attempt ${repeat.id} was requested before`);
  }

  #judge(entry: Entry, index: bigint): string | undefined {
    if (entry.type === 'bdk.ksns-burned') return this.#burn(entry.body);
    if (entry.type === 'database.restore-accepted') this.#hsms.forgetAnnouncements();
    if (entry.type === 'hsm.anchored') return this.#hsms.anchor(entry.body);
    if (!entry.type.startsWith('attempt.')) return undefined;
    return this.#apply(entry.type.slice('attempt.'.length).toUpperCase(), entry, index);
  }

  /** Returns what rule is broken, in words. @throws TLOG_COUNTER_GAP */
  #apply(state: string, entry: Entry, index: bigint): string | undefined {
    const { attempt: id, terminal, body } = entry;
    if (id === undefined || terminal === undefined) return 'it names no attempt, or no terminal';
    if (!Object.hasOwn(successors, state) || entry.type !== `attempt.${state.toLowerCase()}`)
      return 'there is no such state';
    if (state === 'REQUESTED') return this.#request(id, terminal, entry, index);

    const attempt = this.#open.get(id);
    if (attempt === undefined) return `attempt ${id} was not requested, or has ended`;
    if (attempt.terminal !== terminal) return `attempt ${id} is of another terminal`;
    const through = body.through === undefined ? [] : statesIn(body.through);
    if (through === undefined) return 'what it went through is no list of states';
    const version = attempt.version + through.length + 1;
    if (body.version !== version) {
      return `expected version ${version} of attempt ${id}, got ${String(body.version)}`;
    }
    if (body.from !== attempt.state) return `attempt ${id} was ${attempt.state}`;
    for (const reached of [...through, state]) {
      if (!successors[attempt.state]!.includes(reached)) return `attempt ${id} was ${attempt.state}`;
      const broken = this.#checkStep(reached, attempt, entry);
      if (broken !== undefined) return broken;
      attempt.state = reached;
    }
    attempt.version = version;
    if (successors[state]!.length === 0) this.#close(id, state);
    return undefined;
  }

  #request(id: string, terminal: string, { actor, body }: Entry, index: bigint): string | undefined {
    this.#requested.add(id, index);
    if (!isCount(body.number)) return 'it has no number';
    this.#numbers.next(terminal, BigInt(body.number));
    const byRule = body.rule !== undefined;
    if (byRule && (typeof body.rule !== 'string' || body.rule === '')) return 'its rule has no name';
    this.#open.set(id, {
      kind: body.kind,
      terminal,
      requestedBy: actor,
      state: byRule ? 'APPROVED' : 'REQUESTED',
      version: byRule ? 2 : 1,
      approvers: [],
      ksns: [],
    });
    return undefined;
  }

  #checkStep(state: string, attempt: OpenAttempt, { body }: Entry): string | undefined {
    switch (state) {
      case 'APPROVED':
        attempt.approvers = textsIn(body.approvers);
        return undefined;
      case 'KSN_RESERVED':
        attempt.ksns = textsIn(body.ksns);
        return this.#reserve(attempt.ksns);
      case 'DERIVING':
        this.#hsms.announce(attempt.ksns.length + 1); // and one KBPK
        if (attempt.state !== 'APPROVED' || attempt.kind === 'KBPK') return undefined;
        return 'keys are derived before their KSNs are reserved';
      case 'DISPATCHABLE':
        if (ksnsOfKeys(body.keys).every((ksn) => attempt.ksns.includes(ksn))) return undefined;
        return 'a key has a KSN that was not reserved for it';
      case 'CONFIRMED':
        return this.#checkApprovals(attempt);
      default:
        return undefined;
    }
  }

  #reserve(ksns: readonly string[]): string | undefined {
    for (const ksn of ksns) {
      const broken = this.#take(ksn);
      if (broken !== undefined) return broken;
      this.#ksns += 1;
    }
    return undefined;
  }

  #take(ksn: string): string | undefined {
    const space = ksnSpace(ksn);
    if (space === undefined) return 'a KSN is none';
    const last = this.#devices.last(space.bdkId);
    if (last !== undefined && space.device <= last) return `KSN ${ksn} was reserved before`;
    this.#devices.next(space.bdkId, space.device);
    return undefined;
  }

  /** KSNs that were given up: from `first`, which is the next, to `last`. */
  #burn({ first, last }: Entry['body']): string | undefined {
    const [from, to] = [first, last].map((ksn) => (typeof ksn === 'string' ? ksnSpace(ksn) : undefined));
    if (from === undefined || to === undefined) return 'a KSN is none';
    if (from.bdkId !== to.bdkId || to.device < from.device) return 'its KSNs are no range';
    const broken = this.#take(first as string);
    if (broken === undefined) this.#devices.skipTo(to.bdkId, to.device);
    return broken;
  }

  #checkApprovals({ approvers, requestedBy }: OpenAttempt): string | undefined {
    const others = new Set(approvers.filter((approver) => approver !== requestedBy));
    if (others.size >= this.#approvals) return undefined;
    return `confirmed with ${others.size} approvals, expected ${this.#approvals}`;
  }

  #close(id: string, state: string): void {
    this.#open.delete(id);
    this.#endedByState[state] = (this.#endedByState[state] ?? 0) + 1;
  }
}

function ruleBroken(index: bigint, type: string, broken: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_RULE_BROKEN', `entry ${index}, ${type}: ${broken}`);
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}

/** A list of one state or more; undefined where it is none. */
function statesIn(value: JsonValue): string[] | undefined {
  const states = textsIn(value);
  return Array.isArray(value) && states.length > 0 && states.length === value.length ? states : undefined;
}

function textsIn(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function ksnsOfKeys(keys: JsonValue | undefined): string[] {
  if (!Array.isArray(keys)) return [];
  return textsIn(keys.map((key) => (key as { ksn?: JsonValue } | null)?.ksn ?? null));
}
