import { readFileSync } from 'node:fs';
import { parseEntryBundle } from '@openkdh/transparency-log';
import pg from 'pg';

/** One initial key that a simulated terminal holds, as its oracle tells it: the key only as a digest. */
export interface HeldKey {
  serial: string;
  slot: string;
  algorithm: string;
  ksn: string;
  kcv: string;
  sha256: string;
}

/** What the terminals of a fleet hold, from the file that `terminal-sim --oracle FILE` keeps. */
export function heldKeys(oracleFile: string): HeldKey[] {
  return jsonLines<HeldKey>(readFileSync(oracleFile, 'utf8'));
}

/** A load that a terminal stored, or was told to be confirmed, and when. */
export interface LoadInLog {
  attempt: string;
  time: string;
}

/** Every LOAD_ACK with verdict ACCEPTED in the log of terminal-sim. */
export function acknowledgedLoads(fleetLog: string): LoadInLog[] {
  return loadsInLog(fleetLog, 'loaded');
}

/** Every load that a terminal has stored, in the log of terminal-sim. */
export function storedLoads(fleetLog: string): LoadInLog[] {
  return loadsInLog(fleetLog, 'stored');
}

function loadsInLog(fleetLog: string, event: string): LoadInLog[] {
  const lines = fleetLog.split('\n').filter((line) => line.includes(`"event":"${event}"`));
  return jsonLines<LoadInLog>(lines.join('\n'));
}

function jsonLines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

export interface TerminalRow {
  id: string;
  serial: string;
  state: string;
  /** X.509, DER, base64: of the key that signs results. */
  signingCertificate: string;
}

export interface AttemptRow {
  id: string;
  terminalId: string;
  kind: 'KBPK' | 'KEYS';
  number: number;
  state: string;
  version: number;
  planHash: string | null;
  sentEpochs: number[];
  result: Record<string, unknown> | null;
  /** Seconds since its deadline; null without one. */
  overdueSeconds: number | null;
}

export interface KeyRow {
  attemptId: string;
  slot: string;
  bdkId: string | null;
  ksn: string | null;
  kcvExpected: string | null;
  kcvReported: string | null;
  /** Whether the key block is still there. */
  hasBlock: boolean;
  /** SHA-256 of the block that the HSM gave out; null: none was stored. */
  blockSha256: string | null;
  burned: boolean;
}

export interface EventRow {
  id: number;
  time: string;
  type: string;
  terminalId: string | null;
  attemptId: string | null;
  body: Record<string, unknown>;
}

/** All that the database says of a system's life; JSON, so that it can be kept and judged elsewhere. */
export interface History {
  terminals: TerminalRow[];
  attempts: AttemptRow[];
  keys: KeyRow[];
  /** In the order of their ids: events of transactions that lock the same rows stand in the order of their commits. */
  events: EventRow[];
  /** The sealed log: canonical JSON of an event each, in the order of their indices. */
  leaves: { index: number; entry: string }[];
  /** The signed notes of the log's checkpoints, by size. */
  checkpoints: { size: number; note: string }[];
  /** What waits in the queue, as text. */
  jobs: string[];
}

export async function readHistory(databaseUrl: string): Promise<History> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only'); // one moment for all tables
    const rows = async <Row>(text: string) => (await client.query(text)).rows as Row[];
    return {
      terminals: await rows<TerminalRow>(
        `select t.id, t.serial, t.state, encode(c.certificate, 'base64') as "signingCertificate"
         from terminal t join terminal_certificate c on c.terminal_id = t.id and c.purpose = 'SIGNING'
         order by t.serial`,
      ),
      attempts: await rows<AttemptRow>(
        `select id, terminal_id as "terminalId", kind, number, state, version, plan_hash as "planHash",
           to_jsonb(sent_epochs) as "sentEpochs", result,
           extract(epoch from now() - deadline)::float as "overdueSeconds"
         from attempt order by terminal_id, number`,
      ),
      keys: await rows<KeyRow>(
        `select attempt_id as "attemptId", slot, bdk_id as "bdkId", ksn, kcv_expected as "kcvExpected",
           kcv_reported as "kcvReported", key_block is not null as "hasBlock",
           key_block_sha256 as "blockSha256", burned
         from attempt_key order by attempt_id, position`,
      ),
      events: await rows<EventRow>(
        `select id::float as id, to_jsonb(time) #>> '{}' as time, type, terminal_id as "terminalId",
           attempt_id as "attemptId", body from audit_event order by id`,
      ),
      leaves: (
        await rows<{ first: number; entries: Buffer }>(
          'select first_index::float as first, entries from log_entries order by first_index',
        )
      ).flatMap(({ first, entries }) =>
        parseEntryBundle(entries).map((entry, n) => ({
          index: first + n,
          entry: Buffer.from(entry).toString(),
        })),
      ),
      checkpoints: await rows<History['checkpoints'][number]>(
        `select size::float as size, convert_from(note, 'UTF8') as note from log_checkpoint order by size`,
      ),
      jobs: (await rows<{ data: string }>('select data::text from bullmq.job')).map((row) => row.data),
    };
  } finally {
    await client.end();
  }
}
