import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  AttemptError,
  type AttemptEvent,
  type AttemptRef,
  after,
  allows,
  isFinal,
  transition,
} from './attempt.ts';

/**
 * What is true of an attempt, in place of the state it is in: the reference that the machine is held to. It knows nothing
 * of states, only of what has happened.
 */
interface Facts {
  approved: boolean;
  ksnReserved: boolean;
  intended: boolean;
  wrapped: boolean;
  released: boolean;
  /** Bytes are at the terminal, or on their way, and no answer has come. */
  out: boolean;
  /** Nobody expects the answer any more without asking. */
  lost: boolean;
  answered: boolean;
  end: 'good' | 'bad' | undefined;
  moves: number;
}

const nothing: Facts = {
  approved: false,
  ksnReserved: false,
  intended: false,
  wrapped: false,
  released: false,
  out: false,
  lost: false,
  answered: false,
  end: undefined,
  moves: 0,
};

/** When each event may happen to an attempt that has not ended, and what is true after it. */
const rules: Record<AttemptEvent, [may: (facts: Facts) => boolean, then: Partial<Facts>]> = {
  approve: [(f) => !f.approved, { approved: true }],
  reject: [(f) => !f.approved, { end: 'bad' }],
  reserveKsn: [(f) => f.approved && !f.ksnReserved && !f.intended, { ksnReserved: true }],
  derive: [(f) => f.approved && !f.wrapped, { intended: true }],
  storeBlocks: [(f) => f.intended && !f.wrapped, { wrapped: true }],
  release: [(f) => f.wrapped && !f.released, { released: true }],
  send: [(f) => f.released && !f.out && !f.answered, { out: true }],
  receiveResult: [(f) => f.out, { out: false, lost: false, answered: true }],
  match: [(f) => f.answered, { end: 'good' }],
  differ: [(f) => f.answered, { end: 'bad' }],
  terminalRefuses: [(f) => f.answered, { end: 'bad' }],
  lose: [(f) => f.out && !f.lost, { lost: true }],
  terminalDoesNotKnow: [(f) => f.lost, { out: false, lost: false }],
  giveUp: [(f) => f.lost, { end: 'bad' }],
  fail: [(f) => f.approved && !f.wrapped, { end: 'bad' }],
  expire: [(f) => !f.out && !f.answered, { end: 'bad' }],
  cancel: [(f) => !f.out && !f.answered, { end: 'bad' }],
};

class Event implements fc.Command<Facts, { attempt: AttemptRef }> {
  readonly event: AttemptEvent;
  constructor(event: AttemptEvent) {
    this.event = event;
  }

  check(): boolean {
    return true; // what must be refused is part of the model
  }

  run(facts: Facts, real: { attempt: AttemptRef }): void {
    const [may, then] = rules[this.event];
    const legal = facts.end === undefined && may(facts);
    expect([this.event, allows(real.attempt.state, this.event)]).toEqual([this.event, legal]);
    if (!legal) {
      expect(() => transition(real.attempt, this.event)).toThrow(AttemptError);
      return;
    }
    const done = transition(real.attempt, this.event);
    real.attempt = after(done);
    Object.assign(facts, then, { moves: facts.moves + 1 });
    expect(real.attempt.version).toBe(1 + facts.moves);
    expect(isFinal(real.attempt.state)).toBe(facts.end !== undefined);
    expect(real.attempt.state === 'CONFIRMED').toBe(facts.end === 'good');
    expect(done.burnsKsn).toBe(facts.end === 'bad');
  }

  toString(): string {
    return this.event;
  }
}

test('model: the machine allows in each state what the facts allow, and nothing else', () => {
  const events = Object.keys(rules) as AttemptEvent[];
  const endings: AttemptEvent[] = [
    'reject',
    'fail',
    'expire',
    'cancel',
    'differ',
    'terminalRefuses',
    'giveUp',
  ];
  const likely = events.filter((event) => !endings.includes(event)); // or most attempts would end at once
  const commands = [...events, ...Array(5).fill(likely).flat()].map((event) => fc.constant(new Event(event)));
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 80, size: 'max' }), (sequence) => {
      const setup = () => ({
        model: { ...nothing },
        real: { attempt: { id: 'a', state: 'REQUESTED', version: 1 } as AttemptRef },
      });
      fc.modelRun(setup, sequence);
    }),
    { numRuns: 200 },
  );
});
