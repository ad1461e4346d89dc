import type { Sql } from '../../database/database.ts';
import { finalStates } from '../../loads/attempt.ts';
import { withNames } from '../../operators/person-names.ts';
import { firstIdAt } from '../transfers-search.ts';
import { type Report, ROWS_LIMIT, requireFewRows, type Span } from './report.ts';

/** PCI PIN 24: that what is no longer needed is gone. */
export async function destruction(
  sql: Pick<Sql, 'query'>,
  { from, to }: Span,
): Promise<Omit<Report, 'span' | 'madeAt'>> {
  const span = [firstIdAt(from), firstIdAt(to)];
  const [counts] = await sql.query<{ erased: string; held: string; underWay: string }>(
    `select count(*) filter (where k.key_block_sha256 is not null and k.key_block is null and a.token is null)::text as erased,
       count(*) filter (where a.state = any($3) and (k.key_block is not null or a.token is not null))::text as held,
       count(*) filter (where a.state <> all($3))::text as "underWay"
     from attempt_key k join attempt a on a.id = k.attempt_id where k.attempt_id >= $1 and k.attempt_id < $2`,
    [...span, finalStates],
  );
  const { erased, held, underWay } = counts!;
  const gone = requireFewRows(
    await sql.query<{
      what: string;
      serial: string | null;
      name: string;
      identification: string | null;
      attemptId: string | null;
    }>(
      `select * from (
         select 'KSN burned' as what, t.serial, k.slot as name, k.ksn as identification, k.attempt_id as "attemptId"
         from attempt_key k join attempt a on a.id = k.attempt_id join terminal t on t.id = a.terminal_id
         where k.burned and k.attempt_id >= $1 and k.attempt_id < $2
         union all
         select 'KBPK retired', t.serial, w.slot, 'KCV ' || w.kcv, w.attempt_id
         from terminal_kbpk w join terminal t on t.id = w.terminal_id
         where w.retired_at is not null and w.attempt_id >= $1 and w.attempt_id < $2
         union all
         select 'BDK destroyed', null, b.name,
           'KCV ' || b.kcv || ', block SHA-256 ' || b.key_block_sha256 || ', at ' || to_char(b.destroyed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           null
         from bdk b where b.destroyed_at >= $4 and b.destroyed_at < $5
         union all
         select 'BDK destroyed: ' || role, null, b.name, person, null
         from bdk b, lateral (values ('asked by', b.destruction_asked_by), ('done by', b.destroyed_by)) people (role, person)
         where b.destroyed_at >= $4 and b.destroyed_at < $5) gone
       order by "attemptId", name, what limit $3`,
      [...span, ROWS_LIMIT, from, to],
    ),
  );
  return {
    title: 'Destruction of keys',
    statement:
      'Says which BDKs were destroyed in this span, by which two people, and what became of the keys of its transfers. The block of a BDK ' +
      'that is destroyed is erased from the database; the HSM keeps none. When an attempt ends, its key blocks and tokens are erased from ' +
      'the database, and only their SHA-256 stays; a KSN whose key was not confirmed is burned and never used again. The HSM ' +
      'keeps no key of a terminal: it derives, wraps and forgets. Copies of the database from before may still hold blocks: ' +
      'they open only under the KBPK of their terminal, in that terminal or in the HSM.',
    holds: held === '0',
    figures: [
      { name: 'Blocks erased', value: erased },
      { name: 'Blocks still held after the end', value: held },
      { name: 'Keys still under way', value: underWay },
      { name: 'KSNs burned', value: String(gone.filter(({ what }) => what === 'KSN burned').length) },
      { name: 'BDKs destroyed', value: String(gone.filter(({ what }) => what === 'BDK destroyed').length) },
      { name: 'KBPKs retired', value: String(gone.filter(({ what }) => what === 'KBPK retired').length) },
    ],
    columns: ['what', 'serial', 'slot', 'identification', 'attempt_id'],
    rows: (await withNames(sql, gone)).map(({ what, serial, name, identification, attemptId }) => [
      what,
      serial,
      name,
      identification,
      attemptId,
    ]),
  };
}
