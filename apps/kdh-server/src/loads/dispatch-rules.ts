import type { AttemptState } from './attempt.ts';

/** What is checked again in the transaction that writes SENT (rule f; PCI PIN 15-3). */
export interface DispatchCheck {
  state: AttemptState;
  terminalState: 'ACTIVE' | 'SUSPENDED' | 'REVOKED';
  bound: boolean;
  /** Current epoch of the terminal in the database, and that of the session that wants to send. */
  currentEpoch: bigint | null;
  sessionEpoch: bigint;
  certificatesValid: boolean;
  frozenBdk: boolean;
  expired: boolean;
}

export type DispatchDecision =
  | { send: true }
  /** The attempt stays as it is: another session or another worker has it. */
  | { send: false; cancel?: undefined }
  /** The attempt can no longer be delivered. */
  | { send: false; cancel: string };

/** Whether the keys of an attempt may leave for this session now (invariants I6, I9). */
export function mayDispatch(check: DispatchCheck): DispatchDecision {
  if (check.state !== 'DISPATCHABLE') return { send: false };
  if (check.terminalState === 'REVOKED') return { send: false, cancel: 'TERMINAL_REVOKED' };
  if (check.terminalState === 'SUSPENDED') return { send: false, cancel: 'TERMINAL_SUSPENDED' };
  if (check.frozenBdk) return { send: false, cancel: 'BDK_FROZEN' };
  if (!check.bound || check.expired || !check.certificatesValid) return { send: false };
  if (check.currentEpoch !== check.sessionEpoch) return { send: false };
  return { send: true };
}
