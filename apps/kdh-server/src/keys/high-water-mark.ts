import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Sql } from '../database/database.ts';
import { type DukptScheme, deviceOf } from './ksn.ts';

/**
 * How far the database had come when it was last seen, kept outside it: a database that was restored from a backup, or
 * has lost commits in a fail-over, would give out KSNs a second time (I1, F16, F23).
 */
const markSchema = z.strictObject({
  /** Name of the log. */
  origin: z.string(),
  /** Of the newest checkpoint: entries, and their root in base64. */
  size: z.coerce.bigint(),
  root: z.string(),
  /** The device number that the next KSN of each BDK will carry, by the BDK's id. */
  devices: z.record(z.string(), z.coerce.bigint()),
  /** Operations that released a key, by the HSM's own count; absent where it has none. */
  operations: z.coerce.bigint().optional(),
});
export type HighWaterMark = z.infer<typeof markSchema>;

/** What the database says about itself, to be held against a mark. */
export interface DatabaseState {
  /** `null`: it has no log yet. */
  origin: string | null;
  /** The newest checkpoint; its size is 0 before the first. */
  size: bigint;
  root: string;
  /** Root of the checkpoint that the mark names; `null`: there is none of that size. */
  rootAtMark: string | null;
  bdks: BdkState[];
}

export interface BdkState {
  id: string;
  scheme: DukptScheme;
  /** In hex: what its KSNs begin with. */
  bdkId: string;
  nextDevice: bigint;
  maxDevices: bigint;
  /** The highest device number that an attempt has; 0: none has any. */
  highestDevice: bigint;
}

/** Where a database lags behind a mark or contradicts itself, in words; nothing where all is well. */
export function contradictions(mark: HighWaterMark | undefined, database: DatabaseState): string[] {
  return [...logContradictions(mark, database), ...ksnContradictions(mark, database)];
}

function logContradictions(mark: HighWaterMark | undefined, database: DatabaseState): string[] {
  if (!mark) return [];
  if (database.origin !== mark.origin) {
    return [`its log is ${database.origin ?? 'not there'}, this node knows ${mark.origin}`];
  }
  if (database.size < mark.size) {
    return [`its log ends at entry ${database.size}, this node knows ${mark.size}`];
  }
  if (mark.size > 0n && database.rootAtMark !== mark.root) {
    return [`its log is another one than this node knows, from before entry ${mark.size}`];
  }
  return [];
}

/** Those that would give KSNs a second time, at the next load. */
export function ksnContradictions(mark: HighWaterMark | undefined, { bdks }: DatabaseState): string[] {
  const next = new Map(bdks.map((bdk) => [bdk.id, bdk.nextDevice]));
  const again = bdks
    .filter(({ nextDevice, highestDevice }) => nextDevice <= highestDevice)
    .map(({ id, nextDevice }) => `BDK ${id} would give device ${nextDevice} again`);
  const behind = Object.entries(mark?.devices ?? {}).flatMap(([id, device]) => {
    const known = next.get(id);
    if (known === undefined) return [`BDK ${id} is not there`];
    return known < device ? [`BDK ${id} goes on with device ${known}, this node knows ${device}`] : [];
  });
  return [...again, ...behind];
}

/** `mark`: whose checkpoint is looked up. */
export async function readDatabaseState(
  sql: Pick<Sql, 'query'>,
  mark: HighWaterMark | undefined,
): Promise<DatabaseState> {
  const [log] = await sql.query<{
    origin: string | null;
    size: bigint | null;
    note: Buffer;
    known: Buffer | null;
  }>(
    `select (select origin from log_identity) as origin, newest.size, newest.note,
       (select note from log_checkpoint where size = $1) as known
     from (select 1) as one left join (select size, note from log_checkpoint order by size desc limit 1) newest on true`,
    [mark?.size ?? 0n],
  );
  // KSNs of one BDK have one length and grow with the device number, as text too.
  const bdks = await sql.query<Omit<BdkState, 'highestDevice'> & { highestKsn: string | null }>(
    `select id, scheme, bdk_id as "bdkId", next_device as "nextDevice", max_devices as "maxDevices",
       (select max(ksn) from attempt_key k where k.bdk_id = b.id) as "highestKsn" from bdk b`,
  );
  return {
    origin: log?.origin ?? null,
    size: log?.size ?? 0n,
    root: log?.size ? rootOf(log.note) : '',
    rootAtMark: log?.known ? rootOf(log.known) : null,
    bdks: bdks.map(({ highestKsn, ...bdk }) => ({
      ...bdk,
      highestDevice: highestKsn === null ? 0n : deviceOf(bdk.scheme, highestKsn),
    })),
  };
}

/** The third line of a checkpoint: C2SP tlog-checkpoint. */
function rootOf(note: Buffer): string {
  return note.toString().split('\n')[2] ?? '';
}

export function markOf(database: DatabaseState, operations: bigint | undefined): HighWaterMark | undefined {
  if (database.origin === null) return undefined;
  return {
    origin: database.origin,
    size: database.size,
    root: database.root,
    devices: Object.fromEntries(database.bdks.map(({ id, nextDevice }) => [id, nextDevice])),
    operations,
  };
}

/** @throws what is wrong with the file, when it is there and cannot be read: it must not be taken for none. */
export function readMark(file: string): HighWaterMark | undefined {
  if (!existsSync(file)) return undefined;
  return markSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** On the disk when this returns, and never half: the name is moved to what is written already. */
export function writeMark(file: string, mark: HighWaterMark): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const text = JSON.stringify(mark, (_, value) => (typeof value === 'bigint' ? value.toString() : value));
  withFile(`${file}.new`, 'w', (descriptor) => writeSync(descriptor, `${text}\n`));
  renameSync(`${file}.new`, file);
  withFile(dirname(file), 'r', () => {});
}

/** Opens, acts, and flushes to the disk. */
function withFile(path: string, flags: 'w' | 'r', act: (descriptor: number) => void): void {
  const descriptor = openSync(path, flags, 0o600);
  try {
    act(descriptor);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
