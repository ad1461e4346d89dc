import type { EventFilters } from './events.schemas.ts';
import { afterPrefix, allOf, EXAMINED, type PageRequest, Parameters, type Statement } from './search.ts';

/** The indexes that a search of events may walk, the most selective first. */
export const eventDrivers = ['attempt', 'terminal', 'words', 'actor', 'type', 'time'] as const;
export type EventDriver = (typeof eventDrivers)[number];

/**
 * What every load leaves behind, or left before an event stood for a move (docs/audit-log.md, "Entries"). These types are
 * met at every step of a walk by time, so they stand in no index of their own; the condition is that of the index
 * audit_event_type, word for word, and whoever looks for another type says it.
 */
export const UNUSUAL = `type <> all (array['attempt.requested',
  'attempt.approved', 'attempt.ksn_reserved', 'attempt.deriving', 'attempt.wrapped', 'attempt.dispatchable',
  'attempt.sent', 'attempt.result_received', 'attempt.confirmed'])`;
const usual = new Set([...UNUSUAL.matchAll(/'(attempt\.\w+)'/g)].map(([, type]) => type as string));

/** Events of people only: the predicate of the indexes for actors and words. */
const OF_PEOPLE = `actor like 'operator:%'`;

export interface EventPlan {
  driver: EventDriver;
  /** Ids of up to `limit` + 1 events, newest first. */
  page: Statement;
  /** The id at which a page that came out short stopped looking; absent where no filter can make it short. */
  horizon?: Statement;
}

/** A page of events as statements, made of the filters that are there. `terminalId`: of the serial; null: there is none. */
export function planEvents(
  filters: EventFilters,
  terminalId: string | null | undefined,
  page: PageRequest,
): EventPlan {
  const driver = driverOf(filters);
  const { put, values } = new Parameters();
  const rest = restOf(filters, terminalId, driver, put);
  const within = withinSpan(filters, page.after, put);
  const walk = walks[driver](filters, terminalId, put, within);
  if (rest.length === 0) {
    return {
      driver,
      page: { text: `${walk} ${NEWEST_FIRST} limit ${put(page.limit + 1)}`, parameters: values },
    };
  }
  const text = `select met.id from (${walk} ${NEWEST_FIRST} limit ${put(EXAMINED)}) met join audit_event e on e.id = met.id
    where ${allOf(rest)} order by met.time desc, met.id desc limit ${put(page.limit + 1)}`;
  return {
    driver,
    page: { text, parameters: values },
    horizon: horizonOf(filters, terminalId, driver, page),
  };
}

const NEWEST_FIRST = 'order by time desc, id desc';

function horizonOf(
  filters: EventFilters,
  terminalId: string | null | undefined,
  driver: EventDriver,
  { after }: PageRequest,
): Statement {
  const { put, values } = new Parameters();
  const walk = walks[driver](filters, terminalId, put, withinSpan(filters, after, put));
  return { text: `${walk} ${NEWEST_FIRST} offset ${put(EXAMINED - 1)} limit 1`, parameters: values };
}

function driverOf({ attemptId, terminal, actor, words, type }: EventFilters): EventDriver {
  if (attemptId) return 'attempt';
  if (terminal) return 'terminal';
  if (words) return 'words';
  if (actor?.startsWith('operator:')) return 'actor';
  if (type && type !== 'attempt' && !usual.has(type)) return 'type';
  return 'time'; // an attempt's usual types, and what nodes do, are met at every step
}

type Put = Parameters['put'];

function withinSpan({ from, to }: EventFilters, after: string | undefined, put: Put): string {
  return allOf([
    ...(from ? [`time >= ${put(from)}::timestamptz`] : []),
    ...(to ? [`time < ${put(to)}::timestamptz`] : []),
    ...(after
      ? [`(time, id) < ((select time from audit_event where id = ${put(after)}), ${put(after)})`]
      : []),
  ]);
}

/** What each driver walks, newest first; each gives `id` and `time`. */
const walks: Record<
  EventDriver,
  (filters: EventFilters, terminalId: string | null | undefined, put: Put, within: string) => string
> = {
  attempt: ({ attemptId }, _, put, within) =>
    `select id, time from audit_event where attempt_id = ${put(attemptId)} and ${within}`,
  terminal: (_, terminalId, put, within) =>
    `select id, time from (
      (select id, time from audit_event where terminal_id = ${put(terminalId)} and attempt_id is null
        and ${within} order by time desc, id desc limit ${put(EXAMINED)})
      union all
      (select e.id, e.time from (select id from attempt where terminal_id = ${put(terminalId)}
        order by number desc limit ${put(EXAMINED)}) a
        cross join lateral (select id, time from audit_event where attempt_id = a.id and ${within}) e)) either`,
  // Materialized: the index of words has no order. It holds what people did, which does not grow with the loads.
  words: ({ words }, _, put, within) =>
    `select id, time from (with said as materialized (select id, time from audit_event
      where jsonb_to_tsvector('simple', body, '["string"]') @@ plainto_tsquery('simple', ${put(words)})
        and ${OF_PEOPLE}) select id, time from said) said where ${within}`,
  actor: ({ actor }, _, put, within) =>
    `select id, time from audit_event where actor = ${put(actor)} and ${OF_PEOPLE} and ${within}`,
  type: ({ type }, _, put, within) =>
    type?.includes('.')
      ? `select id, time from audit_event where type collate "C" = ${put(type)} and ${UNUSUAL} and ${within}`
      : `select e.id, e.time from (${typesOf(type as string, put)}) t cross join lateral (
          select id, time from audit_event where type collate "C" = t.type and ${UNUSUAL} and ${within}
          order by time desc, id desc limit ${put(EXAMINED)}) e`,
  time: (_filters, _, _put, within) => `select id, time from audit_event where ${within}`,
};

/** The types of a feature, by steps from one to the next: there are few, and each may have millions of events. */
function typesOf(feature: string, put: Put): string {
  const [first, end] = [put(`${feature}.`), put(afterPrefix(`${feature}.`))];
  const next = (above: string) =>
    `(select type from audit_event where type collate "C" ${above} and type collate "C" < ${end} and ${UNUSUAL}
      order by type collate "C" limit 1)`;
  return `with recursive step(type) as (
      select ${next(`>= ${first}`)} union all select ${next('> step.type')} from step where step.type is not null
    ) select type from step where type is not null`;
}

/** Conditions of the filters that the driver does not answer, on the event `e`. */
function restOf(
  { type, actor, terminal, words }: EventFilters,
  terminalId: string | null | undefined,
  driver: EventDriver,
  put: Put,
): string[] {
  const rest: string[] = [];
  if (type && driver !== 'type') {
    rest.push(type.includes('.') ? `e.type = ${put(type)}` : `starts_with(e.type, ${put(`${type}.`)})`);
  }
  if (actor && driver !== 'actor') rest.push(`e.actor = ${put(actor)}`);
  if (terminal && driver !== 'terminal') rest.push(`e.terminal_id = ${put(terminalId)}`);
  if (words && driver !== 'words') {
    rest.push(
      `jsonb_to_tsvector('simple', e.body, '["string"]') @@ plainto_tsquery('simple', ${put(words)}) and e.${OF_PEOPLE}`,
    );
  }
  return rest;
}
