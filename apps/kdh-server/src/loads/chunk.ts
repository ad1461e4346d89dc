import type { KeyAlgorithm, LmkKeyBlock } from '@openkdh/hsm-client';
import type { Sql } from '../database/database.ts';
import type { DukptScheme } from '../keys/ksn.ts';
import type { ProfileSlot } from '../profiles/profile.ts';
import type { AttemptState } from './attempt.ts';

/** What a worker must know of an attempt to derive its keys. */
export interface ChunkAttempt {
  id: string;
  state: AttemptState;
  version: number;
  kind: 'KBPK' | 'KEYS';
  terminalId: string;
  serial: string;
  model: string;
  terminalState: 'ACTIVE' | 'SUSPENDED' | 'REVOKED';
  bound: boolean;
  slots: ProfileSlot[];
  terminalNonce: Buffer | null;
  krdCertificate: Buffer | null;
  /** Confirmed KBPKs of the terminal by slot. */
  kbpks: Record<string, { keyBlock: LmkKeyBlock; kcv: string }>;
}

export interface ReservedKey {
  attemptId: string;
  position: number;
  slot: string;
  usage: 'B1' | 'K1';
  algorithm: KeyAlgorithm;
  versionId: 'B' | 'D';
  wrappedUnder: string;
  ksn: string | null;
  bdk: { keyBlock: LmkKeyBlock; scheme: DukptScheme } | null;
}

/** The attempts of a chunk that still wait for a worker, kept from other workers until the commit. */
export async function readChunk(sql: Sql, ids: string[]): Promise<ChunkAttempt[]> {
  // The state is looked at here: in the statement it would tempt the planner to an index over all open attempts.
  const attempts = await sql.query<ChunkAttempt>(
    `select a.id, a.state, a.version, a.kind, a.terminal_id as "terminalId", t.serial, t.model,
       t.state as "terminalState",
       t.bound_kdh_fingerprint is not null as bound, p.slots, a.terminal_nonce as "terminalNonce",
       (select c.certificate from terminal_certificate c
         where c.terminal_id = t.id and c.purpose = 'ENCRYPTION' and c.revoked_at is null) as "krdCertificate",
       coalesce((select jsonb_object_agg(k.slot, jsonb_build_object('keyBlock', k.key_block, 'kcv', k.kcv))
         from terminal_kbpk k
         where k.terminal_id = t.id and k.confirmed_at is not null and k.retired_at is null), '{}') as kbpks
     from attempt a join terminal t on t.id = a.terminal_id join profile p on p.id = a.profile_id
     where a.id = any($1::uuid[]) order by a.id for no key update of a`,
    [ids],
    'read-chunk',
  );
  return attempts.filter(({ state }) => ['APPROVED', 'KSN_RESERVED', 'DERIVING'].includes(state));
}

/** Those of the attempts that have a KSN of a BDK that is frozen now. */
export async function readFrozen(sql: Sql, attemptIds: string[]): Promise<Set<string>> {
  const rows = await sql.query<{ id: string }>(
    `with keys as materialized (select attempt_id, bdk_id from attempt_key where attempt_id = any($1::uuid[]))
     select distinct k.attempt_id as id from keys k join bdk b on b.id = k.bdk_id where b.state <> 'ACTIVE'`,
    [attemptIds],
    'read-frozen',
  );
  return new Set(rows.map((row) => row.id));
}

export async function readReservedKeys(sql: Sql, attemptIds: string[]): Promise<ReservedKey[]> {
  return sql.query<ReservedKey>(
    `select k.attempt_id as "attemptId", k.position, k.slot, k.usage, k.algorithm, k.version_id as "versionId",
       k.wrapped_under as "wrappedUnder", k.ksn,
       case when b.id is null then null
         else jsonb_build_object('keyBlock', b.key_block, 'scheme', b.scheme) end as bdk
     from attempt_key k left join bdk b on b.id = k.bdk_id
     where k.attempt_id = any($1::uuid[]) order by k.attempt_id, k.position`,
    [attemptIds],
    'read-reserved-keys',
  );
}
