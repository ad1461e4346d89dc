import { Injectable } from '@nestjs/common';
import { Database, type Sql } from '../database/database.ts';
import { attemptStates } from '../loads/attempt.ts';
import { asRecorded, withNames } from '../operators/person-names.ts';
import { boundedRead } from './bounded-read.ts';
import { type PageRequest, Parameters } from './search.ts';
import type { Transfer, TransferFilters, TransferPage } from './transfers.schemas.ts';
import {
  inSerials,
  MOST_TERMINALS,
  type NamedTerminals,
  planTransfers,
  timeOfId,
} from './transfers-search.ts';

/** What the auditor reads of attempts: newest first, in keyset pages. */
@Injectable()
export class TransfersService {
  constructor(private readonly database: Database) {}

  search(filters: TransferFilters, page: PageRequest): Promise<TransferPage> {
    return boundedRead(this.database, async (sql) => {
      const terminals = await namedTerminals(sql, filters);
      const person = filters.person && (await asRecorded(sql, filters.person));
      const plan = planTransfers({ ...filters, person }, terminals, page);
      const met = await idsOf(sql, plan.page);
      const ids = met.slice(0, page.limit);
      const transfers = await readTransfers(sql, ids);
      if (met.length > page.limit) return { transfers, next: ids.at(-1) as string };
      const [horizon] = plan.horizon ? await idsOf(sql, plan.horizon) : [];
      return { transfers, next: horizon ?? null };
    });
  }
}

async function idsOf(
  sql: Pick<Sql, 'query'>,
  statement: { text: string; parameters: unknown[] },
): Promise<string[]> {
  return (await sql.query<{ id: string }>(statement.text, statement.parameters)).map(({ id }) => id);
}

async function namedTerminals(sql: Pick<Sql, 'query'>, filters: TransferFilters): Promise<NamedTerminals> {
  const { terminal, serialPrefix, serialFrom, serialTo } = filters;
  const { put, values } = new Parameters();
  if (terminal) {
    return idsOf(sql, {
      text: `select id from terminal where serial = ${put(terminal)}`,
      parameters: values,
    });
  }
  if (!serialPrefix && !serialFrom && !serialTo) return undefined;
  const text = `select id from terminal where ${inSerials(filters, put)}
    order by serial collate "C" limit ${put(MOST_TERMINALS + 1)}`;
  const ids = await idsOf(sql, { text, parameters: values });
  return ids.length > MOST_TERMINALS ? 'many' : ids;
}

/** The records of these attempts, newest first, people by their names. */
export async function readTransfers(sql: Pick<Sql, 'query'>, ids: string[]): Promise<Transfer[]> {
  if (ids.length === 0) return [];
  const rows = await sql.query<Omit<Transfer, 'requestedAt' | 'times'> & { times: (Date | null)[] }>(
    RECORDS,
    [ids],
  );
  return withNames(
    sql,
    rows.map((row) => ({ ...row, times: timesByState(row.times), requestedAt: timeOfId(row.attemptId) })),
  );
}

/** `times`: as `placeOf` puts them. */
function timesByState(times: (Date | null)[]): Record<string, string> {
  return Object.fromEntries(
    times.flatMap((time, place) => (time ? [[attemptStates[place], time.toISOString()]] : [])),
  );
}

const RECORDS = `
    select a.id as "attemptId", a.load_id as "loadId", a.number as "attemptNumber", a.kind, a.state,
      a.reason_code as "reasonCode", a.requested_by as "requestedBy", a.reason, coalesce(v.approvals, '[]') as approvals,
      a.campaign_id as "campaignId", a.run_id as "runId", a.station,
      jsonb_build_object('id', t.id, 'serial', t.serial, 'model', t.model, 'hardware', t.hardware,
        'firmware', t.firmware,
        'tlsCertificateFingerprint', c.prints ->> 'TLS', 'krdCertificateFingerprint', c.prints ->> 'ENCRYPTION',
        'signingCertificateFingerprint', c.prints ->> 'SIGNING') as terminal,
      jsonb_build_object('id', p.id, 'name', p.name, 'version', a.profile_version) as profile,
      coalesce(k.keys, '[]') as keys,
      a.evidence ->> 'hsm' as hsm, a.evidence ->> 'node' as node,
      to_jsonb(a.sent_epochs) as "sessionEpochs",
      jsonb_build_object('terminal', upper(encode(a.terminal_nonce, 'hex')), 'kdh', upper(encode(a.nonce_k2, 'hex')))
        as nonces,
      a.plan_hash as "planHash", a.times, a.expires_at as "expiresAt"
    from attempt a
    join terminal t on t.id = a.terminal_id
    join profile p on p.id = a.profile_id
    left join lateral (
      select jsonb_object_agg(purpose, fingerprint) as prints from (
        select distinct on (purpose) purpose, fingerprint from terminal_certificate
        where terminal_id = t.id and not_before <= a.created_at order by purpose, not_before desc) one
    ) c on true
    left join lateral (
      select jsonb_agg(jsonb_build_object('slot', k.slot, 'header', k.header, 'usage', k.usage,
        'algorithm', k.algorithm, 'keyBlockVersion', k.version_id,
        'wrapMethod', case when a.kind = 'KBPK' then 'TR-34' else 'TR-31' end,
        'wrappedUnder', case when a.kind = 'KBPK' then null else k.wrapped_under end,
        'kbpkKcv', (select w.kcv from terminal_kbpk w
          where a.kind = 'KEYS' and w.terminal_id = a.terminal_id and w.slot = k.wrapped_under
            and (w.confirmed_at is not null or w.attempt_id = a.id)
          order by (w.attempt_id = a.id) desc, w.created_at desc limit 1),
        'bdkId', k.bdk_id, 'bdkName', b.name, 'bdkKcv', b.kcv, 'ksn', k.ksn, 'ksnBurned', k.burned,
        'sha256', k.key_block_sha256, 'kcvExpected', k.kcv_expected, 'kcvReported', k.kcv_reported,
        'resultCode', k.result_code) order by k.position) as keys
      from attempt_key k left join bdk b on b.id = k.bdk_id where k.attempt_id = a.id
    ) k on true
    left join lateral (
      select jsonb_agg(jsonb_build_object('person', v.person, 'role', v.role, 'authentication', v.authentication,
        'at', v.approved_at) order by v.approved_at) as approvals
      from attempt_approval v where v.attempt_id = a.id
    ) v on true
    where a.id = any($1::uuid[]) order by a.id desc`;
