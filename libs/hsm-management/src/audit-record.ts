import { hash } from 'node:crypto';

/**
 * One line of the log: JSON in canonical form (RFC 8785: members sorted, no spaces; only ASCII text and whole numbers
 * occur), without the line feed. Its hash is the SHA-256 of exactly these bytes, and the next line carries it.
 */
export type AuditLine = string;

/** `prevHash` of the first line. */
export const noHash = '0'.repeat(64);

/** What a part of this HSM has to record; the log adds the chain. */
export type AuditEntry =
  | { event: 'acknowledged'; upTo: number }
  | {
      event: 'boot';
      checkpointKey: string;
      firmware: string;
      lmkCheckValue: string;
      lmkId: string;
      lmkStatus: string;
    }
  | {
      event: 'command';
      client: string;
      command: string;
      /** Of the grant that the command has used up one of. */
      grant?: string | undefined;
      keysIn: readonly string[];
      keysOut: readonly string[];
      result: string;
    }
  | { event: 'component'; custodian: string; keysOut: readonly string[] }
  | { event: 'failed'; reason: string }
  | { event: 'recovered'; droppedBytes: number }
  | { event: 'management'; command: string; detail: string; who: readonly string[] }
  | { event: 'shutdown' }
  | { event: 'tampered'; cause: string; reason: string };

/** Signs all that stands in the log up to itself, itself included: see `signedPart`. */
export interface CheckpointEntry {
  event: 'checkpoint';
  /** Up to which record the platform has acknowledged that it has them. */
  acknowledged: number;
  signature: string;
}

export type AuditRecord = (AuditEntry | CheckpointEntry) & {
  /** Number of this start of the HSM, from 1; the sealed LMK counts the same. */
  bootCounter: number;
  /** How many operations have released a key, since the HSM was set up. */
  operations: number;
  prevHash: string;
  /** From 1, without a gap. */
  seq: number;
  time: string;
};

export function formatRecord(record: AuditRecord): AuditLine {
  return record.event === 'command' ? formatCommand(record) : canonical(record);
}

/** As `canonical`, at less than half the cost: there is one of these for every command that uses a key. */
function formatCommand(record: AuditRecord & { event: 'command' }): string {
  const { bootCounter, client, command, grant, keysIn, keysOut, operations, prevHash, result, seq, time } =
    record;
  const granted = grant === undefined ? '' : `,"grant":${JSON.stringify(grant)}`;
  return (
    `{"bootCounter":${bootCounter},"client":${JSON.stringify(client)},"command":${JSON.stringify(command)}` +
    `,"event":"command"${granted},"keysIn":${JSON.stringify(keysIn)},"keysOut":${JSON.stringify(keysOut)}` +
    `,"operations":${operations},"prevHash":"${prevHash}","result":"${result}","seq":${seq},"time":"${time}"}`
  );
}

/** The line of a checkpoint without its signature: what is signed. */
export function signedPart(checkpoint: AuditRecord & { event: 'checkpoint' }): string {
  const { signature: _, ...record } = checkpoint;
  return canonical(record);
}

/** The members in order; what is in them are texts, numbers and arrays of texts, which are canonical as they are. */
function canonical(record: object): string {
  const sorted: Record<string, unknown> = {};
  for (const name of Object.keys(record).sort()) sorted[name] = record[name as keyof typeof record];
  return JSON.stringify(sorted);
}

/** SHA-256 of the line, upper-case hex. */
export function hashLine(line: AuditLine): string {
  return hash('sha256', line, 'hex').toUpperCase();
}

const events: readonly AuditRecord['event'][] = [
  'acknowledged',
  'boot',
  'checkpoint',
  'command',
  'component',
  'failed',
  'management',
  'recovered',
  'shutdown',
  'tampered',
];

/** `undefined` for a line that is not a record. */
export function parseRecord(line: AuditLine): AuditRecord | undefined {
  try {
    const record = JSON.parse(line) as AuditRecord;
    const wellFormed =
      Number.isSafeInteger(record.seq) &&
      Number.isSafeInteger(record.operations) &&
      Number.isSafeInteger(record.bootCounter) &&
      events.includes(record.event) &&
      typeof record.prevHash === 'string' &&
      (record.event !== 'checkpoint' || typeof record.signature === 'string') &&
      formatRecord(record) === line;
    return wellFormed ? record : undefined;
  } catch {
    return undefined;
  }
}
