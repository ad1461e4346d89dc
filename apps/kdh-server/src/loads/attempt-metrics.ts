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
  help: 'Seconds that attempts which this node moved had spent in the state that they left',
  labelNames: ['state'],
  buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600],
  registers: [registry],
});

export function countEntered(state: AttemptState, attempts: number): void {
  entered.inc({ state }, attempts);
}

export function observeLeft(state: AttemptState, seconds: number): void {
  stateSeconds.observe({ state }, seconds);
}
