import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.ts';
import { decodeCursor, encodeCursor } from '../http/cursor.ts';
import { isFinal } from '../loads/attempt.ts';
import type { SearchTransfers, Transfer, TransferPage } from './transfers.schemas.ts';

/** What the auditor reads of attempts: newest first, in keyset pages. */
@Injectable()
export class TransfersService {
  constructor(private readonly database: Database) {}

  async search(search: SearchTransfers): Promise<TransferPage> {
    const { text, parameters } = transfersQuery(search);
    const rows = await this.database.query<Transfer & { cursor: string }>(text, parameters);
    const page = rows.slice(0, search.limit);
    const last = page.at(-1);
    return {
      transfers: page.map(({ cursor: _, ...transfer }) => transfer),
      next:
        rows.length > search.limit && last
          ? encodeCursor({ createdAt: last.cursor, id: last.attemptId })
          : null,
    };
  }
}

/**
 * The statement for the filters that are there, and only for those: an optional filter written as `$1 is null or …` costs
 * a thousand times more on a long table (facts/limits.md section 3).
 */
export function transfersQuery(search: SearchTransfers): { text: string; parameters: unknown[] } {
  const parameters: unknown[] = [];
  const put = (value: unknown) => `$${parameters.push(value)}`;
  const where: string[] = [];
  if (search.terminal)
    where.push(`a.terminal_id = (select id from terminal where serial = ${put(search.terminal)})`);
  if (search.from) where.push(`a.created_at >= ${put(search.from)}`);
  if (search.to) where.push(`a.created_at < ${put(search.to)}`);
  if (search.state) where.push(`a.state = ${put(search.state)}`);
  // Attempts under way are few, and those with a deadline have an index.
  if (search.state && !isFinal(search.state)) where.push('a.deadline is not null');
  if (search.bdkId) {
    where.push(
      `exists (select 1 from attempt_key k where k.attempt_id = a.id and k.bdk_id = ${put(search.bdkId)})`,
    );
  }
  if (search.ksn) where.push(`a.id in (select attempt_id from attempt_key where ksn = ${put(search.ksn)})`);
  if (search.cursor) {
    const { createdAt, id } = decodeCursor(search.cursor);
    where.push(`(a.created_at, a.id) < (${put(createdAt)}::timestamptz, ${put(id)}::uuid)`);
  }
  const condition = where.length > 0 ? `where ${where.join(' and ')}` : '';
  const text = `
    with page as (
      select * from attempt a ${condition} order by a.created_at desc, a.id desc limit ${put(search.limit + 1)}
    )
    select a.id as "attemptId", a.load_id as "loadId", a.number as "attemptNumber", a.kind, a.state,
      a.reason_code as "reasonCode", a.requested_by as "requestedBy", a.reason, '[]'::jsonb as approvals,
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
      a.plan_hash as "planHash", a.times, a.created_at as "requestedAt", a.expires_at as "expiresAt",
      to_char(a.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as cursor
    from page a
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
    order by a.created_at desc, a.id desc`;
  return { text, parameters };
}
