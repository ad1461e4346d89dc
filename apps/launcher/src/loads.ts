import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
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

/** How long to wait for the fleet in all, and how long while nothing changes at all. */
export interface Patience {
  seconds: number;
  standstillSeconds: number;
}

/**
 * Watches until the fleet of `terminals` holds its keys, or patience is at its end. While kdh-server does not answer
 * (it may be just starting again), it goes on asking.
 */
export async function watchLoads(
  api: Api,
  terminals: number,
  before: Status,
  patience: Patience,
  progress: Progress,
): Promise<Outcome> {
  const secondsSince = (time: number) => (performance.now() - time) / 1_000;
  const startedAt = performance.now();
  let changedAt = startedAt;
  for (let status = before; ; await sleep(100)) {
    const last = status;
    status = await api.get<Status>('/status').catch(() => last);
    if (!isDeepStrictEqual(status, last)) changedAt = performance.now();
    const seconds = secondsSince(startedAt);
    const line = statusLine(status, terminals);
    progress.show(line, seconds);

    const figures = figuresOf(status, before, seconds);
    if (isSettled(status, terminals)) {
      if (status.loads.failed === 0) return { figures };
      return { figures, problem: `${status.loads.failed} loads failed; GET /api/v1/transfers says why` };
    }
    if (seconds >= patience.seconds) {
      return { figures, problem: `the fleet does not hold its keys after ${patience.seconds} s: ${line}` };
    }
    if (secondsSince(changedAt) >= patience.standstillSeconds) {
      const idle = `nothing has changed for ${patience.standstillSeconds} s`;
      return { figures, problem: `${idle}: ${line}; open loads may be of terminals that this fleet has not` };
    }
  }
}
