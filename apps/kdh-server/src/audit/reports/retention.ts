import type { Sql } from '../../database/database.ts';
import { readFamilies } from '../retention/key-families.ts';
import { keepUntil, mayGo } from '../retention/retention.ts';
import type { Report } from './report.ts';

/** PCI PIN 26: until when the records of each BDK and its initial keys must be kept. As of now: a span does not apply. */
export async function retention(
  sql: Pick<Sql, 'query'>,
  days: number,
): Promise<Omit<Report, 'span' | 'madeAt'>> {
  const [{ now }] = (await sql.query('select now()')) as [{ now: Date }];
  const families = (await readFamilies(sql)).map((family) => {
    const until = keepUntil([family], days);
    return { ...family, until, isFree: mayGo(until, now) };
  });
  return {
    title: 'Retention',
    statement:
      `Says, for each BDK, until when the records of it and of the initial keys derived from it must be kept: ${days} days after the ` +
      'last of these keys is gone, which is the later of two days: that on which the KDH erased its block of the BDK, and that on which the ' +
      'last terminal lost a key of it, by a later load into the same slot or because it was revoked. No date: a key exists. Records of the ' +
      'keys of the KDH, of its authorities and of its log are kept as long as the KDH is. The KDH deletes nothing from its archive; ' +
      'it refuses to erase the name of a person who did something to a key whose records must be kept.',
    holds: true,
    figures: [
      { name: 'Days after the last key is gone', value: String(days) },
      { name: 'BDKs whose keys exist', value: String(families.filter(({ until }) => until === null).length) },
      { name: 'BDKs whose records may go', value: String(families.filter(({ isFree }) => isFree).length) },
    ],
    columns: ['bdk', 'id', 'state', 'since', 'destroyed', 'terminals', 'keep_until', 'may_go'],
    rows: families.map(({ name, bdkId, state, createdAt, destroyedAt, holders, until, isFree }) => [
      name,
      bdkId,
      state,
      createdAt.toISOString(),
      destroyedAt?.toISOString() ?? null,
      String(holders),
      until?.toISOString() ?? null,
      isFree ? 'yes' : 'no',
    ]),
  };
}
