import { addSignatures, type NoteSignature, parseVerifierKey } from '@openkdh/transparency-log';
import type { Sql } from '../../database/database.ts';

type Query = Pick<Sql, 'query'>;

/** A checkpoint of the log with the cosignatures that it has. */
export interface CosignedCheckpoint {
  readonly size: bigint;
  /** Signed note: the log's signature, then the cosignatures. */
  readonly note: Uint8Array;
}

/** The checkpoint that was signed last; undefined before the first. */
export async function newestCheckpoint(sql: Query): Promise<CosignedCheckpoint | undefined> {
  const [newest] = await sql.query<{ size: bigint }>(
    'select size from log_checkpoint order by size desc limit 1',
  );
  return newest && checkpointOf(sql, newest.size);
}

/**
 * The newest checkpoint that is final: cosigned by `quorum` of the `witnesses`, named by their verifier keys. Each of
 * them has seen the log only grow up to there.
 */
export async function finalCheckpoint(
  sql: Query,
  witnesses: readonly string[],
  quorum: number,
): Promise<CosignedCheckpoint | undefined> {
  const size = await finalSize(sql, witnesses, quorum);
  return size === undefined ? undefined : checkpointOf(sql, size);
}

/** Size of the newest final checkpoint. */
export async function finalSize(
  sql: Query,
  witnesses: readonly string[],
  quorum: number,
): Promise<bigint | undefined> {
  if (quorum === 0) return undefined; // nobody has looked
  const [final] = await sql.query<{ size: bigint }>(
    `select size from log_cosignature where witness = any($1)
     group by size having count(*) >= $2 order by size desc limit 1`,
    [witnesses, quorum],
  );
  return final?.size;
}

/** How much a witness has cosigned: the size of its newest cosigned checkpoint, 0 if none. */
export async function cosignedSize(sql: Query, witness: string): Promise<bigint> {
  const [last] = await sql.query<{ size: bigint }>(
    'select size from log_cosignature where witness = $1 order by size desc limit 1',
    [witness],
  );
  return last?.size ?? 0n;
}

/** Keeps a cosignature; a second one of the same witness and size is left out. */
export async function storeCosignature(
  sql: Query,
  witness: string,
  size: bigint,
  { signature, timestampSeconds }: { signature: NoteSignature; timestampSeconds: bigint },
): Promise<void> {
  await sql.query(
    `insert into log_cosignature (size, witness, signature, cosigned_at)
     values ($1, $2, $3, to_timestamp($4)) on conflict do nothing`,
    [size, witness, Buffer.from(signature.signature), timestampSeconds],
  );
}

async function checkpointOf(sql: Query, size: bigint): Promise<CosignedCheckpoint> {
  const rows = await sql.query<{ note: Buffer; witness: string | null; signature: Buffer }>(
    `select c.note, s.witness, s.signature from log_checkpoint c left join log_cosignature s using (size)
     where c.size = $1 order by s.cosigned_at, s.witness`,
    [size],
  );
  const signatures = rows.flatMap(({ witness, signature }): NoteSignature[] => {
    if (witness === null) return [];
    const { name, keyId } = parseVerifierKey(witness);
    return [{ name, keyId, signature }];
  });
  return { size, note: addSignatures(rows[0]!.note, signatures) };
}
