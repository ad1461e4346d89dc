import type { Sql } from '../../database/database.ts';
import { withNames } from '../../operators/person-names.ts';
import { firstIdAt, timeOfId } from '../transfers-search.ts';
import { type Report, ROWS_LIMIT, requireFewRows, type Span } from './report.ts';

/** Who asked for what, and who let it go ahead (PCI PIN 9 and 16): every transfer that a person requested or approved. */
export async function approvals(
  sql: Pick<Sql, 'query'>,
  { from, to }: Span,
): Promise<Omit<Report, 'span' | 'madeAt'>> {
  const found = requireFewRows(
    await sql.query<{
      id: string;
      serial: string;
      state: string;
      requestedBy: string;
      reason: string | null;
      people: string[];
    }>(
      `select a.id, t.serial, a.state, a.requested_by as "requestedBy", a.reason,
         array(select person from attempt_approval where attempt_id = a.id order by approved_at, person) as people
       from (
         select id from attempt where requested_by like 'operator:%' and id >= $1 and id < $2
         union
         select attempt_id from attempt_approval where attempt_id >= $1 and attempt_id < $2
         order by id limit $3) of_people
       join attempt a on a.id = of_people.id join terminal t on t.id = a.terminal_id order by a.id`,
      [firstIdAt(from), firstIdAt(to), ROWS_LIMIT],
    ),
  );
  const rows = await withNames(sql, found);
  const alone = rows.filter(({ people, requestedBy }) => people.includes(requestedBy));
  return {
    title: 'Requests and approvals',
    statement:
      'Every transfer in this span that a person requested or approved. Loads that terminals pulled by themselves, and that no ' +
      'person had to approve, are not among them. Nobody may approve what they asked for.',
    holds: alone.length === 0,
    figures: [
      { name: 'Transfers', value: String(rows.length) },
      { name: 'Approved by one person', value: count(rows, ({ people }) => people.length === 1) },
      { name: 'By two or more', value: count(rows, ({ people }) => people.length > 1) },
      { name: 'Approved by who asked', value: String(alone.length) },
    ],
    columns: ['attempt_id', 'requested_at', 'serial', 'state', 'requested_by', 'reason', 'approved_by'],
    rows: rows.map(({ id, serial, state, requestedBy, reason, people }) => [
      id,
      timeOfId(id),
      serial,
      state,
      requestedBy,
      reason,
      people.join(', ') || null,
    ]),
  };
}

function count<Row>(rows: Row[], holds: (row: Row) => boolean): string {
  return String(rows.filter(holds).length);
}
