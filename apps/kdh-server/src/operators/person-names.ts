import { randomBytes } from 'node:crypto';
import { type CommittedName, commitmentOf } from '@openkdh/transparency-log';
import type { Sql } from '../database/database.ts';

/**
 * The name of a person stands in one table alone, where it can be erased. In the history, and wherever else it is
 * recorded who did something, a commitment stands for it, as `operator:<commitment>` (docs/audit-log.md, Names); what
 * people read has the name put in again, as long as there is one.
 */

type Reading = Pick<Sql, 'query'>;

/** How a person stands in the history. */
export function actorOf(commitment: string): string {
  return `operator:${commitment}`;
}

const RECORDED = /^operator:([0-9A-F]{64})$/;

/** Whether an actor is a person as the history has them. */
export function isCommitment(actor: string): boolean {
  return RECORDED.test(actor);
}

/** Keeps a name, with a new salt; returns its commitment. Violates `person_name_once` if somebody has the name. */
export async function keepName(sql: Reading, name: string): Promise<string> {
  const salt = randomBytes(32);
  const commitment = commitmentOf(salt, name);
  await sql.query('insert into person_name (commitment, salt, name) values ($1, $2, $3)', [
    commitment,
    salt,
    name,
  ]);
  return commitment;
}

/** From now on nobody can tell whose commitment it is; whether there was a name to erase. */
export async function eraseName(sql: Reading, commitment: string): Promise<boolean> {
  const erased = await sql.query('delete from person_name where commitment = $1 returning commitment', [
    commitment,
  ]);
  return erased.length === 1;
}

/** Every name that is not erased, with what shows that the commitment is to it. */
export function readCommittedNames(sql: Reading): Promise<CommittedName[]> {
  return sql.query<CommittedName>(`select ${committedName} from person_name order by commitment`);
}

/** The same for the people alone that stand in these records. */
export function readCommittedNamesIn(sql: Reading, records: unknown): Promise<CommittedName[]> {
  return sql.query<CommittedName>(
    `select ${committedName} from person_name where commitment = any($1) order by commitment`,
    [commitmentsIn(records)],
  );
}

const committedName = `commitment, name, upper(encode(salt, 'hex')) as salt`;

/** An actor in a question, `operator:<name>`, as it stands in the history; any other text as it is. */
export async function asRecorded(sql: Reading, actor: string): Promise<string> {
  const [, name] = /^operator:(.+)$/s.exec(actor) ?? [];
  if (name === undefined) return actor;
  const [person] = await sql.query<{ commitment: string }>(
    'select commitment from person_name where name = $1',
    [name],
  );
  return person ? actorOf(person.commitment) : actor;
}

/** The same records, each `operator:<commitment>` in them become `operator:<name>` unless the name was erased. */
export async function withNames<Records>(sql: Reading, records: Records): Promise<Records> {
  const commitments = commitmentsIn(records);
  if (commitments.length === 0) return records;
  const people = await sql.query<{ commitment: string; name: string }>(
    'select commitment, name from person_name where commitment = any($1)',
    [commitments],
  );
  const named = new Map(people.map(({ commitment, name }) => [actorOf(commitment), `operator:${name}`]));
  return mapTexts(records, (text) => named.get(text) ?? text) as Records;
}

function commitmentsIn(records: unknown): string[] {
  const commitments = new Set<string>();
  mapTexts(records, (text) => {
    const [, commitment] = RECORDED.exec(text) ?? [];
    if (commitment) commitments.add(commitment);
    return text;
  });
  return [...commitments];
}

/** A copy of a value as JSON has it, times and big numbers aside, with other texts. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapTexts(item, change)]));
}
