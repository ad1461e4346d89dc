import type { LiveSession } from '../sessions/session-registry.ts';

/** A load that one node sends, or has sent, by a session of its terminal. */
export interface Dispatch {
  readonly attemptId: string;
  readonly session: LiveSession;
}

/**
 * Loads that a node has sent and not heard of, at most. Terminals that take two seconds to answer so get 500 a second from
 * each node; those of one slow network, or of one simulator, never get more than they answer well before SENT ends.
 */
export const loadsInFlight = 1_000;

/**
 * After this time a silent terminal no longer keeps its place from others: half of what SENT waits for it. Where nobody
 * answers, a node still sends 100 loads a second.
 */
const PLACE_MILLISECONDS = 10_000;

/**
 * The line of loads that are ready for terminals of this node, and the places of those that were sent. What stands in line
 * is DISPATCHABLE and has until its expiry; what is sent has seconds. Times are milliseconds of a clock that only goes
 * forward.
 */
export class InFlight {
  /** Terminal by attempt, in order of waiting. */
  private readonly line = new Map<string, string>();
  /** By attempt, in order of sending. */
  private readonly places = new Map<string, { session: LiveSession; until: number }>();

  /** At the end of the line; an attempt that stands in it already, or has a place, stays where it is. */
  enqueue(attemptId: string, session: LiveSession): void {
    if (this.places.get(attemptId)?.session !== session) this.line.set(attemptId, session.terminalId);
  }

  /**
   * Gives the free places to the first in line. Each keeps its place until it is released or its time is over. Whose
   * terminal has no session leaves the line: it is found again when the terminal is back.
   */
  admit(now: number, sessionOf: (terminalId: string) => LiveSession | undefined): Dispatch[] {
    for (const [attemptId, { until }] of this.places) {
      if (until > now) break;
      this.places.delete(attemptId);
    }
    const admitted: Dispatch[] = [];
    for (const [attemptId, terminalId] of this.line) {
      if (this.places.size >= loadsInFlight) break;
      this.line.delete(attemptId);
      const session = sessionOf(terminalId);
      if (!session) continue;
      this.places.delete(attemptId); // that of an older session: the order is that of sending
      this.places.set(attemptId, { session, until: now + PLACE_MILLISECONDS });
      admitted.push({ attemptId, session });
    }
    return admitted;
  }

  /** The terminal has answered, or nothing was sent after all. */
  release({ attemptId, session }: Dispatch): void {
    if (this.places.get(attemptId)?.session === session) this.places.delete(attemptId);
  }

  /** The session is over: nothing is heard on it any more. */
  releaseAll(session: LiveSession): void {
    for (const [attemptId, place] of this.places) {
      if (place.session === session) this.places.delete(attemptId);
    }
  }
}
