import type { Sql } from '../../database/database.ts';
import type { Report } from './report.ts';

interface HeldKey {
  kind: string;
  name: string;
  algorithm: string | null;
  identification: string | null;
  state: string;
  count: string;
  since: Date | null;
}

/** Every key that this KDH holds, all of them only under the LMK of the HSM. As of now: a span does not apply. */
export async function keyInventory(sql: Pick<Sql, 'query'>): Promise<Omit<Report, 'span' | 'madeAt'>> {
  const keys = await sql.query<HeldKey>(
    `select 'BDK' as kind, name, scheme || ' ' || algorithm as algorithm, 'KCV ' || kcv || ', id ' || bdk_id as identification,
       state, (next_device - 1)::text as count, created_at as since, 1 as part from bdk
     union all
     select 'KBPK', slot, algorithm, null,
       case when retired_at is not null then 'RETIRED' when confirmed_at is null then 'OFFERED' else 'IN FORCE' end,
       count(*)::text, min(created_at), 2 from terminal_kbpk group by 2, 3, 5
     union all
     select 'KDH', role, null, 'SPKI SHA-256 ' || upper(encode(sha256(public_key), 'hex')), 'IN FORCE', '1', created_at, 3
     from authority
     union all
     select 'Log', origin, 'EC P-256', 'SPKI SHA-256 ' || upper(encode(sha256(public_key), 'hex')), 'IN FORCE', '1', created_at, 4
     from log_identity
     union all
     select 'Terminal certificate', purpose, null, null, case when revoked_at is null then 'IN FORCE' else 'REVOKED' end,
       count(*)::text, min(not_before), 5 from terminal_certificate group by 2, 5
     order by part, name, state`,
  );
  return {
    title: 'Key inventory',
    statement:
      'The keys that this KDH holds: base derivation keys, the key block protection keys of its terminals (one line for each ' +
      'slot and state), its own signing keys and that of its log. All are in the database only as blocks under the LMK of the HSM; ' +
      'of private keys of terminals the KDH has nothing, so that their certificates are counted. The number of a BDK is that of ' +
      'the device numbers that it has given.',
    holds: true,
    figures: [
      { name: 'BDKs', value: String(keys.filter(({ kind }) => kind === 'BDK').length) },
      {
        name: 'KBPKs in force',
        value: sum(keys.filter((key) => key.kind === 'KBPK' && key.state === 'IN FORCE')),
      },
    ],
    columns: ['kind', 'name', 'algorithm', 'identification', 'state', 'number', 'since'],
    rows: keys.map(({ kind, name, algorithm, identification, state, count, since }) => [
      kind,
      name,
      algorithm,
      identification,
      state,
      count,
      since?.toISOString() ?? null,
    ]),
  };
}

function sum(keys: HeldKey[]): string {
  return String(keys.reduce((total, { count }) => total + BigInt(count), 0n));
}
