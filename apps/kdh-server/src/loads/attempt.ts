/**
 * The life of an attempt: state and event in, next state out. The only place that knows which change is legal;
 * the database applies it by compare-and-set on (state, version) and writes the audit event in the same transaction.
 * docs/design.md section 3.
 */

/** In an order that is stored (`attempt.times`): a new state goes to the end. */
export const attemptStates = [
  'REQUESTED',
  'APPROVED',
  'KSN_RESERVED',
  'DERIVING',
  'WRAPPED',
  'DISPATCHABLE',
  'SENT',
  'RESULT_RECEIVED',
  'OUTCOME_UNKNOWN',
  'CONFIRMED',
  'REJECTED',
  'FAILED',
  'EXPIRED',
  'CANCELLED',
  'QUARANTINED',
] as const;
export type AttemptState = (typeof attemptStates)[number];

/** Every attempt ends in exactly one of these (invariant I5). */
export const finalStates = [
  'CONFIRMED',
  'REJECTED',
  'FAILED',
  'EXPIRED',
  'CANCELLED',
  'QUARANTINED',
] as const satisfies AttemptState[];

/** Where `attempt.times` has the time of a state; SQL counts from 1. */
export function placeOf(state: AttemptState): number {
  return attemptStates.indexOf(state) + 1;
}

export function isFinal(state: AttemptState): boolean {
  return (finalStates as readonly AttemptState[]).includes(state);
}

export type AttemptEvent =
  | 'approve'
  | 'reject'
  | 'reserveKsn'
  | 'derive'
  | 'storeBlocks'
  | 'release'
  | 'send'
  | 'receiveResult'
  | 'match'
  | 'differ'
  | 'terminalRefuses'
  | 'lose'
  | 'terminalDoesNotKnow'
  | 'fail'
  | 'expire'
  | 'cancel'
  | 'giveUp';

/** Who must act next while an attempt is in a state; the sweeper acts for it once the deadline has passed. */
export type Owner = 'approver' | 'worker' | 'gateway' | 'terminal' | 'none';

interface StateRule {
  owner: Owner;
  /** Seconds until the sweeper acts; `null`: the attempt's own expiry, or none for a final state. */
  deadlineSeconds: number | null;
  on: Partial<Record<AttemptEvent, AttemptState>>;
}

/**
 * The machine. `derive` leads from DERIVING to DERIVING as well: a lost HSM answer is derived again for the same
 * attempt and KSN under a new version, so that the answer of the first call can no longer be stored (rule c).
 * From WRAPPED on no arrow leads back to DERIVING: retries send the same bytes.
 */
const machine: Record<AttemptState, StateRule> = {
  REQUESTED: {
    owner: 'approver',
    deadlineSeconds: null,
    on: { approve: 'APPROVED', reject: 'REJECTED', cancel: 'CANCELLED', expire: 'EXPIRED' },
  },
  APPROVED: {
    owner: 'worker',
    deadlineSeconds: 30,
    on: {
      reserveKsn: 'KSN_RESERVED',
      derive: 'DERIVING',
      cancel: 'CANCELLED',
      expire: 'EXPIRED',
      fail: 'FAILED',
    },
  },
  KSN_RESERVED: {
    owner: 'worker',
    deadlineSeconds: 30,
    on: { derive: 'DERIVING', cancel: 'CANCELLED', expire: 'EXPIRED', fail: 'FAILED' },
  },
  DERIVING: {
    owner: 'worker',
    deadlineSeconds: 15,
    on: {
      derive: 'DERIVING',
      storeBlocks: 'WRAPPED',
      cancel: 'CANCELLED',
      expire: 'EXPIRED',
      fail: 'FAILED',
    },
  },
  WRAPPED: {
    owner: 'gateway',
    deadlineSeconds: 30,
    on: { release: 'DISPATCHABLE', cancel: 'CANCELLED', expire: 'EXPIRED' },
  },
  DISPATCHABLE: {
    owner: 'gateway',
    deadlineSeconds: null,
    on: { send: 'SENT', cancel: 'CANCELLED', expire: 'EXPIRED' },
  },
  SENT: {
    owner: 'terminal',
    deadlineSeconds: 20,
    on: { receiveResult: 'RESULT_RECEIVED', lose: 'OUTCOME_UNKNOWN' },
  },
  RESULT_RECEIVED: {
    owner: 'gateway',
    deadlineSeconds: 30,
    on: { match: 'CONFIRMED', differ: 'QUARANTINED', terminalRefuses: 'FAILED' },
  },
  OUTCOME_UNKNOWN: {
    owner: 'terminal',
    deadlineSeconds: 7 * 24 * 3600,
    on: { receiveResult: 'RESULT_RECEIVED', terminalDoesNotKnow: 'DISPATCHABLE', giveUp: 'QUARANTINED' },
  },
  CONFIRMED: { owner: 'none', deadlineSeconds: null, on: {} },
  REJECTED: { owner: 'none', deadlineSeconds: null, on: {} },
  FAILED: { owner: 'none', deadlineSeconds: null, on: {} },
  EXPIRED: { owner: 'none', deadlineSeconds: null, on: {} },
  CANCELLED: { owner: 'none', deadlineSeconds: null, on: {} },
  QUARANTINED: { owner: 'none', deadlineSeconds: null, on: {} },
};

/** An attempt that the sweeper first watches after this time cannot have missed a deadline of any state before. */
export const shortestDeadlineSeconds = Math.min(
  ...Object.values(machine).map(({ deadlineSeconds }) => deadlineSeconds ?? Number.POSITIVE_INFINITY),
);

/** What the sweeper makes of an attempt whose deadline in this state has passed. */
export type OverdueAction = 'expire' | 'requeue' | 'release' | 'lose' | 'giveUp' | 'none';

const overdue: Partial<Record<AttemptState, OverdueAction>> = {
  REQUESTED: 'expire',
  APPROVED: 'requeue',
  KSN_RESERVED: 'requeue',
  DERIVING: 'requeue',
  WRAPPED: 'release',
  DISPATCHABLE: 'expire',
  SENT: 'lose',
  OUTCOME_UNKNOWN: 'giveUp',
};

export interface AttemptRef {
  id: string;
  state: AttemptState;
  version: number;
}

export interface Transition {
  attempt: AttemptRef;
  event: AttemptEvent;
  from: AttemptState;
  to: AttemptState;
  version: number;
  /** Seconds until the sweeper acts; `null`: at the attempt's expiry, or never in a final state. */
  deadlineSeconds: number | null;
  /** KSNs of an attempt that ends without a confirmation are burned: recorded, never used again (I1). */
  burnsKsn: boolean;
}

export class AttemptError extends Error {
  readonly code = 'ATTEMPT_ILLEGAL_TRANSITION';
  constructor(state: AttemptState, event: AttemptEvent) {
    super(`an attempt in state ${state} cannot ${event}`);
    this.name = 'AttemptError';
  }
}

export function allows(state: AttemptState, event: AttemptEvent): boolean {
  return machine[state].on[event] !== undefined;
}

/** The transition that `event` means for `attempt`; throws {@link AttemptError} where the machine has no arrow. */
export function transition(attempt: AttemptRef, event: AttemptEvent): Transition {
  const to = machine[attempt.state].on[event];
  if (to === undefined) throw new AttemptError(attempt.state, event);
  return {
    attempt,
    event,
    from: attempt.state,
    to,
    version: attempt.version + 1,
    deadlineSeconds: machine[to].deadlineSeconds,
    burnsKsn: isFinal(to) && to !== 'CONFIRMED',
  };
}

/** The attempt as it stands after a transition: what the next transition of the same transaction starts from. */
export function after(done: Transition): AttemptRef {
  return { id: done.attempt.id, state: done.to, version: done.version };
}

export function ownerOf(state: AttemptState): Owner {
  return machine[state].owner;
}

export function overdueAction(state: AttemptState): OverdueAction {
  return overdue[state] ?? 'none';
}
