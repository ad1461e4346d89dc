import { expect, test } from '@jest/globals';
import { type AttemptEvent, type AttemptState, after, type Transition, transition } from './attempt.ts';
import { eventBodyOf } from './attempt-store.ts';

function stepsFrom(state: AttemptState, ...events: AttemptEvent[]): [Transition, ...Transition[]] {
  let attempt = { id: 'a', state, version: 7 };
  const steps = events.map((event) => {
    const step = transition(attempt, event);
    attempt = after(step);
    return step;
  });
  return steps as [Transition, ...Transition[]];
}

test('the event of a move of one arrow names no way', () => {
  const body = eventBodyOf({
    steps: stepsFrom('DISPATCHABLE', 'send'),
    actor: 'node:a',
    body: { epoch: 3 },
  });
  expect(body).toEqual({ event: 'send', from: 'DISPATCHABLE', version: 8, epoch: 3 });
});

test('the event of a longer move has every state on its way, and counts them', () => {
  const steps = stepsFrom('SENT', 'lose', 'terminalDoesNotKnow', 'cancel');
  expect(eventBodyOf({ steps, actor: 'node:a', reasonCode: 'NONCE_REPLACED' })).toEqual({
    event: 'cancel',
    from: 'SENT',
    through: ['OUTCOME_UNKNOWN', 'DISPATCHABLE'],
    version: 10,
    reasonCode: 'NONCE_REPLACED',
  });
});
