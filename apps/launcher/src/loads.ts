import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.ts';
import type { Progress } from './progress.ts';

/** The part of GET /api/v1/status that the launcher reads. */
export interface Status {
  terminals: { enrolled: number; bound: number; connected: number };
  loads: { requested: number; confirmed: number; open: number; failed: number };
}

/** The final figures: terminals and loads as they stand, time and rate of this run. */
export interface Figures {
  terminals: number;
  loads: number;
  confirmed: number;
  seconds: number;
  loadsPerSecond: number;
}

/** Whether a fleet of `terminals` holds its keys: every terminal is known, and no load waits for its end. */
export function isSettled(status: Status, terminals: number): boolean {
  return (
    status.terminals.enrolled >= terminals && status.loads.requested >= terminals && status.loads.open === 0
  );
}

/** The line that is shown while terminals get their keys. */
export function statusLine({ terminals, loads }: Status, fleet: number): string {
  return [
    `${terminals.enrolled} of ${fleet} terminals enrolled`,
    `${terminals.bound} bound`,
    `${loads.confirmed} of ${loads.requested} loads confirmed`,
    ...(loads.failed > 0 ? [`${loads.failed} failed`] : []),
  ].join(', ');
}

/** `before` is the status when this run began. */
export function figuresOf(status: Status, before: Status, seconds: number): Figures {
  const rounded = (value: number) => Math.round(value * 100) / 100;
  return {
    terminals: status.terminals.enrolled,
    loads: status.loads.requested,
    confirmed: status.loads.confirmed,
    seconds: rounded(seconds),
    loadsPerSecond: rounded(seconds > 0 ? (status.loads.confirmed - before.loads.confirmed) / seconds : 0),
  };
}

/** How a run ended; `problem` says in one line why not every load is confirmed. */
export interface Outcome {
  figures: Figures;
  problem?: string;
}

/**
 * Watches until the fleet of `terminals` holds its keys, or `timeoutSeconds` have passed. While kdh-server does not
 * answer (it may be just starting again), it goes on asking.
 */
export async function watchLoads(
  api: Api,
  terminals: number,
  before: Status,
  timeoutSeconds: number,
  progress: Progress,
): Promise<Outcome> {
  const startedAt = performance.now();
  for (let status = before; ; await sleep(100)) {
    status = await api.get<Status>('/status').catch(() => status);
    const seconds = (performance.now() - startedAt) / 1_000;
    const line = statusLine(status, terminals);
    progress.show(line, seconds);
    const settled = isSettled(status, terminals);
    if (!settled && seconds < timeoutSeconds) continue;

    const figures = figuresOf(status, before, seconds);
    if (!settled)
      return { figures, problem: `the fleet does not hold its keys after ${timeoutSeconds} s: ${line}` };
    if (status.loads.failed === 0) return { figures };
    return { figures, problem: `${status.loads.failed} loads failed; GET /api/v1/transfers says why` };
  }
}
