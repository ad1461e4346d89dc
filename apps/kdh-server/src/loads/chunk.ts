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
  model: string;
  terminalState: 'ACTIVE' | 'SUSPENDED' | 'REVOKED';
  slots: ProfileSlot[];
  terminalNonce: Buffer | null;
  /** For a first key only. */
  krdCertificate: Buffer | null;
  /** Confirmed KBPKs of the terminal by slot. */
  kbpks: Record<string, LmkKeyBlock>;
}

export interface ReservedKey {
  attemptId: string;
  position: number;
  slot: string;
  usage: 'B1' | 'K1';
  algorithm: KeyAlgorithm;
  versionId: 'B' | 'D';
  wrappedUnder: string;
  /** Null, as what follows, for a KBPK. */
  ksn: string | null;
  bdk: LmkKeyBlock | null;
  scheme: DukptScheme | null;
  /** Whether the BDK is frozen. */
  frozen: boolean | null;
}

/** The attempts of a chunk that still wait for a worker, kept from other workers until the commit. */
export async function readChunk(sql: Sql, ids: string[]): Promise<ChunkAttempt[]> {
  // The state is looked at here: in the statement it would tempt the planner to an index over all open attempts.
  const attempts = await sql.query<ChunkAttempt>(
    `select a.id, a.state, a.version, a.kind, a.terminal_id as "terminalId", t.model,
       t.state as "terminalState", p.slots, a.terminal_nonce as "terminalNonce",
       (select c.certificate from terminal_certificate c
         where a.kind = 'KBPK' and c.terminal_id = t.id and c.purpose = 'ENCRYPTION' and c.revoked_at is null)
         as "krdCertificate",
       coalesce((select jsonb_object_agg(k.slot, k.key_block) from terminal_kbpk k
         where k.terminal_id = t.id and k.confirmed_at is not null and k.retired_at is null), '{}') as kbpks
     from attempt a join terminal t on t.id = a.terminal_id join profile p on p.id = a.profile_id
     where a.id = any($1::uuid[]) order by a.id for no key update of a`,
    [ids],
    'read-chunk',
  );
  return attempts.filter(({ state }) => ['APPROVED', 'KSN_RESERVED', 'DERIVING'].includes(state));
}

/** By attempt and position; the state of the BDKs is that of now. */
export async function readReservedKeys(sql: Sql, attemptIds: string[]): Promise<ReservedKey[]> {
  return sql.query<ReservedKey>(
    `with keys as materialized (select * from attempt_key where attempt_id = any($1::uuid[]))
     select k.attempt_id as "attemptId", k.position, k.slot, k.usage, k.algorithm, k.version_id as "versionId",
       k.wrapped_under as "wrappedUnder", k.ksn, b.key_block as bdk, b.scheme, b.state <> 'ACTIVE' as frozen
     from keys k left join bdk b on b.id = k.bdk_id order by k.attempt_id, k.position`,
    [attemptIds],
    'read-reserved-keys',
  );
}
