import type { Sql } from '../../database/database.ts';
import { firstIdAt } from '../transfers-search.ts';
import { type Report, ROWS_LIMIT, requireFewRows, type Span } from './report.ts';

/** A check value has 24 bits (PCI PIN 15-1). */
const CHECK_VALUES = 2 ** 24;

type Body = Omit<Report, 'span' | 'madeAt'>;

/**
 * PCI PIN 20-1: no key, KSN or public key is shared. Computed from the primary key of attempt_key (the span), then by a
 * look into an index for each key of the span: so the whole history is compared, not only the span with itself.
 */
export async function uniqueness(sql: Pick<Sql, 'query'>, { from, to }: Span): Promise<Body> {
  const span = [firstIdAt(from), firstIdAt(to)];
  const [counts] = await sql.query<{
    keys: string;
    history: string;
    ksns: string;
    blocks: string;
    shared: string;
  }>(
    `with mine as materialized (
       select attempt_id, position, bdk_id, ksn, kcv_expected, key_block_sha256 from attempt_key
       where attempt_id >= $1 and attempt_id < $2)
     select (select count(*) from mine where kcv_expected is not null)::text as keys,
       (select greatest(reltuples, 0)::bigint from pg_class where oid = 'attempt_check_value'::regclass)::text as history,
       (select count(*) from mine m where ksn is not null and exists (select 1 from attempt_key k
          where k.bdk_id = m.bdk_id and k.ksn = m.ksn and (k.attempt_id, k.position) <> (m.attempt_id, m.position)))::text
         as ksns,
       (select count(*) from (select 1 from mine where key_block_sha256 is not null
          group by key_block_sha256 having count(*) > 1) twice)::text as blocks,
       (select count(*) from (select 1 from terminal_certificate group by spki_sha256
          having count(distinct terminal_id) > 1) twice)::text as shared`,
    span,
  );
  const { keys, history, ksns, blocks, shared } = counts!;
  const bdks = await sql.query<{ kcv: string }>(
    'select kcv from bdk group by scheme, kcv having count(*) > 1',
  );
  const rows = requireFewRows(
    await sql.query<{ kcv: string; attemptId: string; other: string }>(
      `select k.kcv_expected as kcv, k.attempt_id as "attemptId", v.attempt_id as other
       from attempt_key k join attempt_check_value v on v.kcv = k.kcv_expected
       where k.attempt_id >= $1 and k.attempt_id < $2 and v.attempt_id < k.attempt_id
       order by k.attempt_id, v.attempt_id limit $3`,
      [...span, ROWS_LIMIT],
    ),
  );
  return {
    title: 'Uniqueness of keys',
    statement:
      'Says whether a key that was made for a terminal in this span is shared with any other in the whole history: by its KSN ' +
      '(the same KSN of the same BDK twice), by its key block (the same SHA-256 twice in the span), and by its check value. A check ' +
      'value has 24 bits, so that some are shared by chance: the lines below are to be looked at if they are many more than ' +
      'expected, or of one terminal; they prove nothing by themselves. Public keys are compared over all terminals that ' +
      'there are. The database refuses a KSN and a public key twice in the first place.',
    holds: [ksns, blocks, shared].every((count) => count === '0') && bdks.length === 0,
    figures: [
      { name: 'Keys in this span', value: keys },
      { name: 'KSNs used twice', value: ksns },
      { name: 'Key blocks sent twice', value: blocks },
      { name: 'Public keys shared', value: shared },
      { name: 'BDKs that share a KCV', value: String(bdks.length) },
      { name: 'Check values shared', value: String(rows.length) },
      {
        name: 'Expected by chance, about',
        value: ((Number(keys) * Math.max(Number(history), Number(keys))) / CHECK_VALUES).toFixed(1),
      },
    ],
    columns: ['kcv', 'attempt_id', 'earlier_attempt_id'],
    rows: rows.map(({ kcv, attemptId, other }) => [kcv, attemptId, other]),
  };
}
