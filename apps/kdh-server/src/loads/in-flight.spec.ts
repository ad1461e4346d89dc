import { beforeEach, describe, expect, test } from '@jest/globals';
import type { LiveSession } from '../sessions/session-registry.ts';
import { InFlight, loadsInFlight } from './in-flight.ts';

const all = Array.from({ length: loadsInFlight }, (_, n) => `a${n}`);

describe('loads that are sent and not heard of', () => {
  let inFlight: InFlight;
  let sessions: Map<string, LiveSession>;
  const connect = (terminalId: string) => {
    const session = { terminalId } as LiveSession;
    sessions.set(terminalId, session);
    return session;
  };
  /** The terminal of attempt `a7` is `t-a7`. */
  const sessionOf = (attemptId: string) => sessions.get(`t-${attemptId}`) ?? connect(`t-${attemptId}`);
  const enqueue = (attempts: string[]) => {
    for (const attemptId of attempts) inFlight.enqueue(attemptId, sessionOf(attemptId));
  };
  const admit = (now = 0) =>
    inFlight.admit(now, (terminalId) => sessions.get(terminalId)).map(({ attemptId }) => attemptId);
  const answer = (attemptId: string) => inFlight.release({ attemptId, session: sessionOf(attemptId) });

  beforeEach(() => {
    inFlight = new InFlight();
    sessions = new Map();
  });

  test('what finds a place does not wait; what is above waits for answers, in its order', () => {
    enqueue(all);
    expect(admit()).toEqual(all);
    enqueue(['b', 'c', 'd']);
    expect(admit()).toEqual([]);
    answer('a5');
    answer('a3');
    expect(admit()).toEqual(['b', 'c']);
    answer('a4');
    expect(admit()).toEqual(['d']);
  });

  test('an attempt has one place, and one in the line, however often it is heard of', () => {
    enqueue(all.slice(1));
    admit();
    enqueue([...all.slice(1), 'b', 'c', 'b']);
    expect(admit()).toEqual(['b']);
    answer('a1');
    answer('a1');
    expect(admit()).toEqual(['c']);
    expect(admit()).toEqual([]);
  });

  test('a terminal that never answers keeps its place for ten seconds, and no other waits longer for it', () => {
    enqueue(all.slice(0, 2));
    admit(0);
    enqueue([...all.slice(2), 'b', 'c', 'd']);
    admit(1);
    expect(admit(9_999)).toEqual([]);
    expect(admit(10_000)).toEqual(['b', 'c']);
    expect(admit(10_001)).toEqual(['d']);
  });

  test('the end of a session gives back its place', () => {
    enqueue([...all, 'b', 'c']);
    admit();
    inFlight.releaseAll(sessionOf('a7'));
    expect(admit()).toEqual(['b']);
  });

  test('whose terminal has gone leaves the line and takes no place', () => {
    enqueue([...all.slice(1), 'b', 'c']);
    sessions.delete('t-b');
    expect(admit()).toEqual([...all.slice(1), 'c']);
  });

  test('a terminal that came back gets its load again; the end of its older session takes nothing from it', () => {
    enqueue(all);
    admit();
    const older = sessionOf('a7');
    connect('t-a7');
    inFlight.releaseAll(older);
    enqueue(['a7', 'b']);
    expect(admit()).toEqual(['a7']);
    inFlight.release({ attemptId: 'a7', session: older }); // of a commit that was under way
    inFlight.releaseAll(older);
    expect(admit()).toEqual([]);
  });
});
