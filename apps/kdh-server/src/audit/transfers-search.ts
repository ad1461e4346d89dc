import { isFinal } from '../loads/attempt.ts';
import { afterPrefix, allOf, EXAMINED, type PageRequest, Parameters, type Statement } from './search.ts';
import type { TransferFilters } from './transfers.schemas.ts';

/** The indexes that a search of transfers may walk, the most selective first. */
export const transferDrivers = [
  'ksn',
  'kcv',
  'terminal',
  'person',
  'run',
  'station',
  'campaign',
  'unsuccessful',
  'underWay',
  'bdk',
  'time',
] as const;
export type TransferDriver = (typeof transferDrivers)[number];

/** What the names in the filters stand for: at most {@link MOST_TERMINALS} terminals, or more than that. */
export type NamedTerminals = string[] | 'many' | undefined;

/** A range of serials that has more terminals than this is applied to what another index gives. */
export const MOST_TERMINALS = 200;

export interface TransferPlan {
  driver: TransferDriver;
  /** Ids of up to `limit` + 1 transfers, newest first. */
  page: Statement;
  /** The id at which a page that came out short stopped looking; absent where no filter can make it short. */
  horizon?: Statement;
}

/** A page of transfers as statements, made of the filters that are there and of no others. */
export function planTransfers(
  filters: TransferFilters,
  terminals: NamedTerminals,
  page: PageRequest,
): TransferPlan {
  const driver = driverOf(filters, terminals);
  const { put, values } = new Parameters();
  const within = withinSpan(filters, page.after, put);
  const walk = (rows: number) =>
    `${walks[driver]({ filters, terminals, put, within, rows })} order by id desc limit ${put(rows)}`;

  const rest = restOf(filters, terminals, driver, put);
  if (rest.length === 0) {
    const text = `select id from (${walk(page.limit + 1)}) met order by id desc`;
    return { driver, page: { text, parameters: values } };
  }
  const met = givesWhole.has(driver)
    ? `(${walk(EXAMINED)}) a`
    : `(${walk(EXAMINED)}) met join attempt a on a.id = met.id`;
  const text = `select a.id from ${met} where ${allOf(rest)} order by a.id desc limit ${put(page.limit + 1)}`;
  return { driver, page: { text, parameters: values }, horizon: horizonOf(driver, filters, terminals, page) };
}

function horizonOf(
  driver: TransferDriver,
  filters: TransferFilters,
  terminals: NamedTerminals,
  { after }: PageRequest,
): Statement {
  const { put, values } = new Parameters();
  const within = withinSpan(filters, after, put);
  const walk = walks[driver]({ filters, terminals, put, within, rows: EXAMINED });
  const text = `select id from (${walk} order by id desc offset ${put(EXAMINED - 1)} limit 1) last`;
  return { text, parameters: values };
}

function driverOf(filters: TransferFilters, terminals: NamedTerminals): TransferDriver {
  if (filters.ksn) return 'ksn';
  if (filters.kcv) return 'kcv';
  if (Array.isArray(terminals)) return 'terminal';
  if (filters.person) return 'person';
  if (filters.runId) return 'run';
  if (filters.station) return 'station';
  if (filters.campaignId) return 'campaign';
  if (filters.state && filters.state !== 'CONFIRMED')
    return isFinal(filters.state) ? 'unsuccessful' : 'underWay';
  if (filters.bdkId) return 'bdk';
  return 'time'; // confirmed ones are met at every step
}

type Put = Parameters['put'];
type Within = (id: string) => string;

/** The span of time and the page as a range of ids, because the time of the request is in the id. */
function withinSpan({ from, to }: TransferFilters, after: string | undefined, put: Put): Within {
  return (id) =>
    allOf([
      ...(from ? [`${id} >= ${put(firstIdAt(from))}::uuid`] : []),
      ...(to ? [`${id} < ${put(firstIdAt(to))}::uuid`] : []),
      ...(after ? [`${id} < ${put(after)}::uuid`] : []),
    ]);
}

/** The lowest UUIDv7 of a millisecond. RFC 9562, 5.7. */
export function firstIdAt(time: string): string {
  const hex = Math.max(0, Math.ceil(Date.parse(time)))
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** The time in a UUIDv7. */
export function timeOfId(id: string): string {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toISOString();
}

/** What a walk is made of. */
interface Asked {
  filters: TransferFilters;
  terminals: NamedTerminals;
  put: Put;
  within: Within;
  /** How many of the newest are of use: no part of a walk reads more. */
  rows: number;
}

/** Walks of attempts themselves, whose other columns need no second look. */
const givesWhole: ReadonlySet<TransferDriver> = new Set([
  'run',
  'station',
  'campaign',
  'unsuccessful',
  'time',
]);

/**
 * Two attempts of a terminal may have been numbered in another order than that of their ids, which clocks of two nodes
 * make: this many more are read of each.
 */
const OUT_OF_ORDER = 20;

/** What each driver walks, newest first; each gives `id` once. */
const walks: Record<TransferDriver, (asked: Asked) => string> = {
  // With its BDK, as the index has it; there are few BDKs.
  ksn: ({ filters, put, within }) =>
    `select distinct k.attempt_id as id from bdk b join attempt_key k on k.bdk_id = b.id and k.ksn = ${put(filters.ksn)}
      where ${within('k.attempt_id')}`,
  kcv: ({ filters, put, within }) =>
    `select distinct attempt_id as id from attempt_check_value where kcv = ${put(filters.kcv)}
      and ${within('attempt_id')}`,
  // By the number, which is dense for each terminal: for the id the planner may walk all attempts there are.
  terminal: ({ terminals, put, within, rows }) =>
    `select a.id from unnest(${put(terminals)}::uuid[]) t(id) cross join lateral (select id from attempt
      where terminal_id = t.id and ${within('id')} order by number desc limit ${put(rows + OUT_OF_ORDER)}) a`,
  person: ({ filters, put, within, rows }) =>
    `select id from (
      (select id from attempt where requested_by = ${put(filters.person)} and requested_by like 'operator:%'
        and ${within('id')} order by id desc limit ${put(rows)})
      union
      (select attempt_id from attempt_approval where person = ${put(filters.person)} and ${within('attempt_id')}
        order by attempt_id desc limit ${put(rows)})) either`,
  run: ({ filters, put, within }) =>
    `select * from attempt where run_id = ${put(filters.runId)} and ${within('id')}`,
  station: ({ filters, put, within }) =>
    `select * from attempt where station = ${put(filters.station)} and ${within('id')}`,
  campaign: ({ filters, put, within }) =>
    `select * from attempt where campaign_id = ${put(filters.campaignId)} and ${within('id')}`,
  unsuccessful: ({ filters, put, within }) =>
    `select * from attempt where outcome = ${put(filters.state)} and outcome <> 'CONFIRMED' and ${within('id')}`,
  // Materialized: all that is under way, which does not grow with the history.
  underWay: ({ filters, put, within }) =>
    `select id from (with open as materialized (
      select id from attempt where outcome is null and state = ${put(filters.state)}) select id from open) open
      where ${within('id')}`,
  bdk: ({ filters, put, within }) =>
    `select distinct attempt_id as id from attempt_key where bdk_id = ${put(filters.bdkId)}
      and ${within('attempt_id')}`,
  time: ({ within }) => `select * from attempt where ${within('id')}`,
};

/** Conditions of the filters that the driver does not answer, on the attempt `a`. */
function restOf(
  filters: TransferFilters,
  terminals: NamedTerminals,
  driver: TransferDriver,
  put: Put,
): string[] {
  const { ksn, kcv, bdkId, person, runId, station, campaignId, state, kind } = filters;
  const rest: string[] = [];
  const ofKey = (condition: string) =>
    `exists (select 1 from attempt_key k where k.attempt_id = a.id and k.${condition})`;
  if (kcv && driver !== 'kcv') rest.push(ofKey(`kcv_expected = ${put(kcv)}`));
  // The KSN of a key that came to nothing is burned, and of those there are few.
  const burned = driver === 'unsuccessful' ? ' and k.burned' : '';
  if (bdkId && driver !== 'bdk') rest.push(ofKey(`bdk_id = ${put(bdkId)}${burned}`));
  if (ksn && driver !== 'ksn') rest.push(ofKey(`ksn = ${put(ksn)}`));
  if (Array.isArray(terminals) && driver !== 'terminal')
    rest.push(`a.terminal_id = any(${put(terminals)}::uuid[])`);
  if (terminals === 'many') {
    rest.push(`exists (select 1 from terminal t where t.id = a.terminal_id and ${inSerials(filters, put)})`);
  }
  if (person && driver !== 'person') {
    rest.push(`(a.requested_by = ${put(person)} or exists (
      select 1 from attempt_approval p where p.attempt_id = a.id and p.person = ${put(person)}))`);
  }
  if (runId && driver !== 'run') rest.push(`a.run_id = ${put(runId)}`);
  if (station && driver !== 'station') rest.push(`a.station = ${put(station)}`);
  if (campaignId && driver !== 'campaign') rest.push(`a.campaign_id = ${put(campaignId)}`);
  if (state && driver !== 'unsuccessful' && driver !== 'underWay') rest.push(`a.state = ${put(state)}`);
  if (kind) rest.push(`a.kind = ${put(kind)}`);
  return rest;
}

/** The condition on a terminal that its serial begins as asked or is in the range; by bytes, as nobody's locale sorts. */
export function inSerials(
  { serialPrefix, serialFrom, serialTo }: Pick<TransferFilters, 'serialPrefix' | 'serialFrom' | 'serialTo'>,
  put: Put,
): string {
  const from = serialPrefix ?? serialFrom;
  return allOf([
    ...(from ? [`serial collate "C" >= ${put(from)}`] : []),
    ...(serialPrefix ? [`serial collate "C" < ${put(afterPrefix(serialPrefix))}`] : []),
    ...(serialTo ? [`serial collate "C" <= ${put(serialTo)}`] : []),
  ]);
}
