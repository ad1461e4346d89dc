import { verify, X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type LoadResult, loadResultSignedBytes } from '@openkdh/terminal-protocol';
import { CompactRange, leafHash } from '@openkdh/transparency-log';
import { ksnSpace } from '../../apps/cli/src/audit/ksn-space.ts';
import type { AttemptRow, EventRow, HeldKey, History, KeyRow, LoadInLog } from './history.ts';

/** What others than the database saw. A rule that needs a witness that is not there finds nothing. */
export interface Witnesses {
  /** Of the terminals themselves. */
  held?: HeldKey[];
  acknowledged?: LoadInLog[];
  stored?: LoadInLog[];
  /** Keys that left the HSM since the history began, by the HSM's own counter. */
  released?: number;
  /** All that the parts logged. */
  logs?: string;
  /** The history as it was read before: what was in it must be in this one. */
  earlier?: History | undefined;
  /** No terminal lies or was told to misbehave: none gets into quarantine, whatever breaks on the way. */
  honest?: boolean;
  /** Faults have stopped and the fleet had time to come to rest. */
  atRest?: boolean;
}

type Rule = (history: History, witnesses: Witnesses) => string[];

const FINAL = ['CONFIRMED', 'REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED'];
const isFinal = (attempt: AttemptRow): boolean => FINAL.includes(attempt.state);

/** The sweeper looks every second; an attempt that nobody acts on for so long is lost. */
const OVERDUE_SECONDS = 60;

/** The sealer looks every second; at rest, what is older than the newest event by so much must be sealed. */
const UNSEALED_MILLISECONDS = 60_000;

/** A TR-31 block of an initial key or a KBPK in its text form, by its whole header: less may stand in any digest. X9.143:2021 6.2. */
const keyBlockText = /[BD]\d{4}(B1|K1)[AT][XB]\d\d[NES]\d{4}/;

/**
 * The invariants of docs/reliability.md, I1 to I12, and what follows from them. Pure: it judges a recorded history, and
 * what terminals and HSM have to say to it.
 */
const rules: Record<string, Rule> = {
  'I1: no (BDK, KSN) is given to two attempts': ({ keys }) =>
    doubled(keys.filter((key) => key.ksn).map((key) => `BDK ${key.bdkId} KSN ${key.ksn}`)),

  'I1: the KSNs that events tell of leave no gap': ({ events }) => {
    const last = new Map<string, bigint>();
    const found: string[] = [];
    for (const { type, attemptId, body } of events) {
      if (type === 'bdk.ksns-burned') {
        const { bdkId, device } = ksnSpace(body['last'] as string)!;
        last.set(bdkId, device);
      }
      if (type !== 'attempt.ksn_reserved') continue;
      for (const ksn of body['ksns'] as string[]) {
        const { bdkId, device } = ksnSpace(ksn)!;
        const expected = (last.get(bdkId) ?? 0n) + 1n;
        if (device !== expected)
          found.push(`attempt ${attemptId}: device ${device} of ${bdkId}, not ${expected}`);
        last.set(bdkId, device);
      }
    }
    return found;
  },

  'I2: no two slots hold one key': (_, { held = [] }) => doubled(held.map((key) => `key ${key.sha256}`)),

  'I3: every key that left the HSM was announced before': ({ keys, events }, { released }) => {
    const keysOf = countBy(keys, (key): string | null => key.attemptId);
    const stored = countBy(
      keys.filter((key) => key.blockSha256),
      (key) => key.attemptId,
    );
    const announced = countBy(ofType(events, 'attempt.deriving'), (event) => event.attemptId);
    const unannounced = [...stored.keys()].filter((attempt) => !announced.has(attempt));
    const most = sum([...announced].map(([attempt, times]) => times * (keysOf.get(attempt) ?? 0)));
    const least = sum([...stored.values()]);
    return [
      ...unannounced.map((attempt) => `attempt ${attempt} has blocks and no intent`),
      ...(released !== undefined && released > most ? [`${released} keys left, ${most} were announced`] : []),
      ...(released !== undefined && released < least ? [`${released} keys left, ${least} are stored`] : []),
    ];
  },

  'I4: CONFIRMED means that the terminal signed for exactly these keys': (history) => {
    const terminals = new Map(history.terminals.map((terminal) => [terminal.id, terminal]));
    const keysOf = group(history.keys, (key) => key.attemptId);
    return history.attempts
      .filter((attempt) => attempt.state === 'CONFIRMED')
      .flatMap((attempt) => {
        const terminal = terminals.get(attempt.terminalId)!;
        const wrong = unlikeSigned(attempt, keysOf.get(attempt.id) ?? [], terminal);
        return wrong ? [`${terminal.serial} attempt ${attempt.number}: ${wrong}`] : [];
      });
  },

  'I4: what was confirmed last, the terminal holds': ({ terminals, attempts, keys }, { held }) => {
    if (!held) return [];
    const keysOf = group(keys, (key) => key.attemptId);
    const attemptsOf = group(attempts, (attempt) => attempt.terminalId);
    return terminals.flatMap(({ id, serial }) => {
      const last = (attemptsOf.get(id) ?? []).findLast(
        (attempt) => attempt.kind === 'KEYS' && attempt.sentEpochs.length > 0,
      );
      if (last?.state !== 'CONFIRMED') return []; // only the terminal knows then
      return (keysOf.get(last.id) ?? [])
        .filter((key) => key.bdkId)
        .filter(({ slot, ksn, kcvExpected }) => {
          const found = held.find((other) => other.serial === serial && other.slot === slot);
          return found?.ksn !== ksn || found?.kcv.slice(0, 6) !== kcvExpected;
        })
        .map(({ slot }) => `${serial} ${slot} of attempt ${last.number}`);
    });
  },

  'I4: a terminal is told of a confirmation after its commit': ({ events }, { acknowledged = [] }) => {
    const confirmed = new Map(ofType(events, 'attempt.confirmed').map((e) => [e.attemptId, e.time]));
    return acknowledged
      .filter(({ attempt, time }) => {
        const at = confirmed.get(attempt);
        return at === undefined || Date.parse(at) > Date.parse(time);
      })
      .map(({ attempt, time }) => `attempt ${attempt}, told at ${time}`);
  },

  'I5: each version of an attempt is told of by one event, in order, and one of them at most is final': (
    history,
  ) => {
    const eventsOf = group(
      history.events.filter((event) => event.type.startsWith('attempt.')),
      (event) => event.attemptId,
    );
    return history.attempts.flatMap((attempt) => {
      const own = eventsOf.get(attempt.id) ?? [];
      const states = own.flatMap(statesOf);
      let version = 0;
      const inOrder = own.every((event) => {
        version += statesOf(event).length;
        return event.type === 'attempt.requested' || event.body['version'] === version;
      });
      const ends = states.filter((state) => FINAL.includes(state)).length;
      const right =
        inOrder &&
        version === attempt.version &&
        ends === (isFinal(attempt) ? 1 : 0) &&
        states.at(-1) === attempt.state;
      return right ? [] : [`attempt ${attempt.id}, ${attempt.state}, version ${attempt.version}: ${states}`];
    });
  },

  'I5: nobody leaves an attempt lying': ({ attempts }) =>
    attempts
      .filter((attempt) => (attempt.overdueSeconds ?? 0) > OVERDUE_SECONDS)
      .map(
        ({ id, state, overdueSeconds }) => `attempt ${id}, ${state}, ${Math.round(overdueSeconds!)} s late`,
      ),

  'I5: the newest session of a terminal sends, and no other': ({ events }) => {
    const epochs = new Map<string | null, number>();
    const found: string[] = [];
    for (const { type, terminalId, attemptId, body } of events) {
      if (type === 'database.restore-accepted') {
        for (const [id, epoch] of epochs) epochs.set(id, epoch + Number(body['epochsAhead']));
        continue;
      }
      const epoch = Number(body['epoch']);
      const newest = epochs.get(terminalId) ?? 0;
      if (type === 'session.opened') {
        if (epoch !== newest + 1) found.push(`terminal ${terminalId}: epoch ${epoch} after ${newest}`);
        epochs.set(terminalId, epoch);
      } else if (type === 'attempt.sent' && epoch !== newest) {
        found.push(`attempt ${attemptId} sent in epoch ${epoch}, the newest is ${newest}`);
      }
    }
    return found;
  },

  'I6: nothing is sent to a terminal that is not bound, or revoked or suspended': ({ events }) => {
    const bound = new Set<string | null>();
    const barred = new Set<string | null>();
    const found: string[] = [];
    for (const { type, terminalId, attemptId } of events) {
      if (type === 'terminal.bound') bound.add(terminalId);
      else if (type === 'terminal.revoked' || type === 'terminal.suspended') barred.add(terminalId);
      else if (type === 'terminal.active') barred.delete(terminalId);
      else if (type !== 'attempt.sent') continue;
      else if (barred.has(terminalId)) found.push(`attempt ${attemptId} sent to a barred terminal`);
      else if (!bound.has(terminalId)) found.push(`attempt ${attemptId} sent to a terminal not bound`);
    }
    return found;
  },

  'I6: bytes leave after SENT is committed': ({ events }, { stored = [] }) => {
    const sent = new Map(
      ofType(events, 'attempt.sent')
        .reverse() // the first send of an attempt counts
        .map((event) => [event.attemptId, event.time]),
    );
    return stored
      .filter(({ attempt, time }) => !(Date.parse(sent.get(attempt) ?? '') <= Date.parse(time)))
      .map(({ attempt, time }) => `attempt ${attempt}, stored at ${time}`);
  },

  'I7: every attempt was approved, by a rule that is recorded': ({ attempts, events }) => {
    const approved = new Set(
      events
        .filter((event) => statesOf(event).includes('APPROVED') && typeof event.body['rule'] === 'string')
        .map((event) => event.attemptId),
    );
    return attempts
      .filter(({ id, version }) => version > 1 && !approved.has(id))
      .map(({ id, state }) => `attempt ${id}, ${state}`);
  },

  'I8: no event is lost or changed': ({ events }, { earlier }) => {
    const now = new Map(events.map((event) => [event.id, JSON.stringify(event)]));
    return (earlier?.events ?? [])
      .filter((event) => now.get(event.id) !== JSON.stringify(event))
      .map(({ id, type }) => `event ${id}, ${type}`);
  },

  'I8: the log holds each event once, as it was, and grows by appending': (history, { atRest }) => {
    const events = new Map(history.events.map((event) => [event.id, event]));
    const sealed = new Set<number>();
    const found: string[] = [];
    const log = CompactRange.empty();
    const checkpoints = new Map(history.checkpoints.map(({ size, note }) => [size, rootOf(note)]));
    for (const [position, { index, entry }] of history.leaves.entries()) {
      const { id, type, body } = JSON.parse(entry) as { id: string; type: string; body: unknown };
      const event = events.get(Number(id));
      if (index !== position) found.push(`index ${index} follows ${position - 1}`);
      if (sealed.has(Number(id))) found.push(`event ${id} is in it twice`);
      if (event?.type !== type || !isDeepStrictEqual(event.body, body)) found.push(`event ${id} differs`);
      sealed.add(Number(id));
      log.append(leafHash(Buffer.from(entry)));
      const root = checkpoints.get(position + 1);
      if (root && !log.hasRoot(root)) found.push(`checkpoint ${position + 1} is of another log`);
      checkpoints.delete(position + 1);
    }
    found.push(...[...checkpoints.keys()].map((size) => `checkpoint ${size} has no entries`));
    const newest = Date.parse(history.events.at(-1)?.time ?? '');
    const missing = history.events.filter(
      ({ id, time }) => atRest && !sealed.has(id) && newest - Date.parse(time) > UNSEALED_MILLISECONDS,
    );
    return [...found, ...missing.map(({ id, type }) => `event ${id}, ${type}, is missing`)];
  },

  'I9: nothing of a frozen BDK is reserved or sent': ({ events, keys }) => {
    const bdksOf = group(keys, (key) => key.attemptId);
    const frozen = new Set<unknown>();
    const found: string[] = [];
    for (const { type, attemptId, body } of events) {
      if (type === 'bdk.frozen') frozen.add(body['id']);
      else if (type === 'bdk.released') frozen.delete(body['id']);
      else if (
        (type === 'attempt.ksn_reserved' || type === 'attempt.sent') &&
        (bdksOf.get(attemptId as string) ?? []).some((k) => frozen.has(k.bdkId))
      ) {
        found.push(`attempt ${attemptId}`);
      }
    }
    return found;
  },

  'I10: no key block in logs or jobs': ({ jobs }, { logs = '' }) => [
    ...jobs.filter((job) => keyBlockText.test(job)).map(() => 'a job'),
    ...(keyBlockText.test(logs) ? ['a log'] : []),
  ],

  'I11: a terminal holds only what was sent to it': ({ terminals, attempts, keys }, { held = [] }) => {
    const idOf = new Map(terminals.map(({ id, serial }) => [serial, id]));
    const sent = new Map(attempts.filter((a) => a.sentEpochs.length > 0).map((a) => [a.id, a.terminalId]));
    const sentKeys = new Set(keys.map(({ attemptId, slot, ksn }) => `${sent.get(attemptId)} ${slot} ${ksn}`));
    return held
      .filter(({ serial, slot, ksn }) => !sentKeys.has(`${idOf.get(serial)} ${slot} ${ksn}`))
      .map(({ serial, slot, ksn }) => `${serial} ${slot} ${ksn}`);
  },

  'I12: every attempt of a terminal that may be loaded has come to its end': (history, { atRest }) => {
    if (!atRest) return [];
    const barred = new Set(history.terminals.filter((t) => t.state !== 'ACTIVE').map((t) => t.id));
    return history.attempts
      .filter((attempt) => !isFinal(attempt) && !barred.has(attempt.terminalId))
      .map(({ id, state }) => `attempt ${id}, ${state}`);
  },

  'a terminal that does not lie is not put into quarantine': ({ attempts }, { honest }) =>
    attempts.filter(({ state }) => honest && state === 'QUARANTINED').map(({ id }) => `attempt ${id}`),

  'the numbers of a terminal’s attempts are dense': ({ attempts }) =>
    [...group(attempts, (attempt) => attempt.terminalId)]
      .filter(([, own]) => own.some(({ number }, index) => number !== index + 1))
      .map(([terminal, own]) => `terminal ${terminal}: ${own.map(({ number }) => number)}`),

  'PCI PIN 24: the blocks of what has ended are erased; KSNs of what was not confirmed are burned': ({
    attempts,
    keys,
  }) => {
    const ended = new Map(attempts.filter(isFinal).map((attempt) => [attempt.id, attempt.state]));
    return keys
      .filter(({ attemptId, hasBlock, burned, ksn }) => {
        const state = ended.get(attemptId);
        return state ? hasBlock || burned !== (state !== 'CONFIRMED' && ksn !== null) : burned;
      })
      .map(({ attemptId, slot }) => `attempt ${attemptId} ${slot}`);
  },
};

/** What breaks a rule, each as `rule: where`; nothing, in a history that is as it should be. */
export function violations(history: History, witnesses: Witnesses): string[] {
  return Object.entries(rules).flatMap(([rule, find]) =>
    find(history, witnesses).map((where) => `${rule}: ${where}`),
  );
}

/** Why this confirmation is not what the terminal signed; undefined when it is. */
function unlikeSigned(
  { result, planHash, sentEpochs }: AttemptRow,
  keys: KeyRow[],
  { serial, signingCertificate }: { serial: string; signingCertificate: string },
): string | undefined {
  if (!result) return 'no result';
  const signed = result as unknown as LoadResult;
  const { publicKey } = new X509Certificate(Buffer.from(signingCertificate, 'base64'));
  const bytes = loadResultSignedBytes(signed, serial);
  if (!verify('sha256', bytes, publicKey, Buffer.from(signed.signature, 'base64'))) return 'signature';
  if (signed.planHash !== planHash) return 'plan hash';
  if (!sentEpochs.includes(signed.epoch)) return `signed in epoch ${signed.epoch}, sent in ${sentEpochs}`;
  if (signed.results.length !== keys.length) return 'slots';
  for (const { slot, ksn, kcvExpected, kcvReported } of keys) {
    const said = signed.results.find((one) => one.slot === slot);
    if (said?.code !== 0 || (said.ksn ?? null) !== ksn) return `slot ${slot}`;
    if (said.kcv?.slice(0, 6) !== kcvExpected || kcvReported !== kcvExpected) return `KCV of ${slot}`;
  }
  return undefined;
}

/** Root hash in a checkpoint: its third line, base64. C2SP tlog-checkpoint. */
function rootOf(note: string): Uint8Array {
  return Buffer.from(note.split('\n')[2] ?? '', 'base64');
}

/** What an attempt reached by an event, in turn: `attempt.confirmed` through RESULT_RECEIVED → both. docs/audit-log.md, "Entries". */
function statesOf({ type, body }: EventRow): string[] {
  const state = type.slice('attempt.'.length).toUpperCase();
  if (state === 'REQUESTED' && body['rule'] !== undefined) return ['REQUESTED', 'APPROVED'];
  return [...((body['through'] as string[] | undefined) ?? []), state];
}

function ofType(events: EventRow[], type: string): EventRow[] {
  return events.filter((event) => event.type === type);
}

function doubled(names: string[]): string[] {
  return [...countBy(names, (name) => name)]
    .filter(([, count]) => count > 1)
    .map(([name, n]) => `${name}, ${n} times`);
}

function countBy<Row, Key>(rows: Row[], keyOf: (row: Row) => Key): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1);
  return counts;
}

function group<Row, Key>(rows: Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
