import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  AttemptError,
  type AttemptEvent,
  type AttemptRef,
  type AttemptState,
  after,
  allows,
  attemptStates,
  finalStates,
  isFinal,
  overdueAction,
  ownerOf,
  transition,
} from './attempt.ts';

const events: AttemptEvent[] = [
  'approve',
  'reject',
  'reserveKsn',
  'derive',
  'storeBlocks',
  'release',
  'send',
  'receiveResult',
  'match',
  'differ',
  'terminalRefuses',
  'lose',
  'terminalDoesNotKnow',
  'fail',
  'expire',
  'cancel',
  'giveUp',
];

const start: AttemptRef = { id: 'a', state: 'REQUESTED', version: 1 };
const walk = (...path: AttemptEvent[]) =>
  path.reduce<AttemptRef>((attempt, event) => after(transition(attempt, event)), start);

describe('attempt state machine', () => {
  test('the way that goes right', () => {
    const end = walk(
      'approve',
      'reserveKsn',
      'derive',
      'storeBlocks',
      'release',
      'send',
      'receiveResult',
      'match',
    );
    expect(end).toEqual({ id: 'a', state: 'CONFIRMED', version: 9 });
  });

  test('final states have no way out, no owner and nothing to sweep', () => {
    for (const state of finalStates) {
      for (const event of events) expect(allows(state, event)).toBe(false);
      expect(ownerOf(state)).toBe('none');
      expect(overdueAction(state)).toBe('none');
    }
  });

  test('every state that is not final has an owner, and a way to a final state', () => {
    for (const state of attemptStates.filter((s) => !isFinal(s))) {
      expect(ownerOf(state)).not.toBe('none');
      expect(reachable(state).some(isFinal)).toBe(true);
    }
  });

  test('rule (c): once WRAPPED, no path derives again', () => {
    expect(reachable('WRAPPED')).not.toContain('DERIVING');
    expect(reachable('WRAPPED')).not.toContain('KSN_RESERVED');
  });

  test('rule (d): a result is accepted only after SENT', () => {
    for (const state of attemptStates) {
      expect(allows(state, 'receiveResult')).toBe(state === 'SENT' || state === 'OUTCOME_UNKNOWN');
    }
  });

  test('rule (e): a late result does not flip an EXPIRED attempt', () => {
    expect(() => transition({ id: 'a', state: 'EXPIRED', version: 5 }, 'receiveResult')).toThrow(
      AttemptError,
    );
  });

  test('a second derivation of one attempt takes a new version, which fences the first', () => {
    const first = transition({ id: 'a', state: 'KSN_RESERVED', version: 3 }, 'derive');
    const second = transition(after(first), 'derive');
    expect(second.to).toBe('DERIVING');
    expect(second.version).toBe(first.version + 1);
  });

  test('property: any sequence of events takes each legal arrow once and ends in at most one final state', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 60 }), (sequence) => {
        let attempt = start;
        let finals = 0;
        for (const event of sequence) {
          if (!allows(attempt.state, event)) {
            expect(() => transition(attempt, event)).toThrow(AttemptError);
            continue;
          }
          const done = transition(attempt, event);
          expect(done.version).toBe(attempt.version + 1);
          expect(done.burnsKsn).toBe(isFinal(done.to) && done.to !== 'CONFIRMED');
          attempt = after(done);
          if (isFinal(attempt.state)) finals += 1;
        }
        expect(finals).toBeLessThanOrEqual(1);
      }),
    );
  });
});

function reachable(from: AttemptState): AttemptState[] {
  const seen = new Set<AttemptState>();
  const queue = [from];
  while (queue.length > 0) {
    const state = queue.shift() as AttemptState;
    for (const event of events) {
      if (!allows(state, event)) continue;
      const to = transition({ id: 'a', state, version: 1 }, event).to;
      if (!seen.has(to)) {
        seen.add(to);
        queue.push(to);
      }
    }
  }
  return [...seen];
}
