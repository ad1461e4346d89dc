import { Injectable } from '@nestjs/common';
import { Database, type Sql } from '../database/database.ts';
import { asRecorded, withNames } from '../operators/person-names.ts';
import { boundedRead } from './bounded-read.ts';
import type { EventFilters, EventPage, EventRecord } from './events.schemas.ts';
import { planEvents } from './events-search.ts';
import type { PageRequest, Statement } from './search.ts';

/** What the auditor reads of audit events: newest first, in keyset pages. */
@Injectable()
export class EventsService {
  constructor(private readonly database: Database) {}

  search(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return boundedRead(this.database, async (sql) => {
      const terminalId = filters.terminal && (await terminalIdOf(sql, filters.terminal));
      const actor = filters.actor && (await asRecorded(sql, filters.actor));
      const plan = planEvents({ ...filters, actor }, terminalId, page);
      const met = await idsOf(sql, plan.page);
      const ids = met.slice(0, page.limit);
      const events = await withNames(sql, await readEvents(sql, ids));
      if (met.length > page.limit) return { events, next: String(ids.at(-1)) };
      const [horizon] = plan.horizon ? await idsOf(sql, plan.horizon) : [];
      return { events, next: horizon === undefined ? null : String(horizon) };
    });
  }
}

async function terminalIdOf(sql: Pick<Sql, 'query'>, serial: string): Promise<string | null> {
  const [terminal] = await sql.query<{ id: string }>('select id from terminal where serial = $1', [serial]);
  return terminal?.id ?? null;
}

async function idsOf(sql: Pick<Sql, 'query'>, { text, parameters }: Statement): Promise<bigint[]> {
  return (await sql.query<{ id: bigint }>(text, parameters)).map(({ id }) => id);
}

function readEvents(sql: Pick<Sql, 'query'>, ids: bigint[]): Promise<EventRecord[]> {
  return sql.query<EventRecord>(
    `select e.id::text, to_char(e.time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time, e.type, e.actor,
       t.serial as terminal, e.attempt_id as "attemptId", e.body,
       (run.first_index + array_position(run.event_ids, e.id) - 1)::text as "leafIndex"
     from audit_event e
     left join terminal t on t.id = e.terminal_id
     left join log_entries run on run.event_span @> e.id and e.id = any(run.event_ids)
     where e.id = any($1::bigint[]) order by e.time desc, e.id desc`,
    [ids],
  );
}
