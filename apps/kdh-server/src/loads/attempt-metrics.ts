import { Counter, Histogram } from 'prom-client';
import { registry } from '../metrics/registry.ts';
import type { AttemptState } from './attempt.ts';

const entered = new Counter({
  name: 'kdh_attempts_entered_total',
  help: 'Times that this node moved an attempt into a state',
  labelNames: ['state'],
  registers: [registry],
});

const stateSeconds = new Histogram({
  name: 'kdh_attempt_state_seconds',
  help: 'Seconds that confirmed attempts spent in each state on their way',
  labelNames: ['state'],
  buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600],
  registers: [registry],
});

export function countEntered(state: AttemptState): void {
  entered.inc({ state });
}

/** `times`: when a confirmed attempt entered each of its states, by the database's clock. */
export function observeWay(times: Record<string, string>): void {
  const way = Object.entries(times)
    .map(([state, time]) => ({ state, at: Date.parse(time) }))
    .sort((a, b) => a.at - b.at);
  for (const [index, { state, at }] of way.entries()) {
    const next = way[index + 1];
    if (next) stateSeconds.observe({ state }, (next.at - at) / 1_000);
  }
}
