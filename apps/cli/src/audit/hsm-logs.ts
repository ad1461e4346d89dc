import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  parseCanonicalJson,
  TransparencyLogError,
  type TransparencyLogErrorCode,
} from '@openkdh/transparency-log';
import { hsmLogPath } from './bundle.ts';
import type { Body } from './entry.ts';

/** Longest record that is read, bytes. */
const LONGEST_RECORD = 65_535;

/** The head of an HSM's log, as `hsm.anchored` has it. */
export interface LogHead {
  readonly seq: number;
  /** SHA-256 of the record, hex in upper case. */
  readonly hash: string;
}

/**
 * The own logs of HSMs in a bundle, read beside the entries: each is an unbroken chain, and has every head that the history
 * anchors. docs/audit-log.md, rule 9. One record of each is in memory at a time.
 */
export class HsmLogs {
  readonly #logs: ReadonlyMap<string, HsmLog>;

  /** `hsms`: serial numbers of those whose log the bundle has. */
  constructor(bundle: string, hsms: readonly string[]) {
    this.#logs = new Map(hsms.map((hsm) => [hsm, new HsmLog(hsm, join(bundle, hsmLogPath(hsm)))]));
  }

  /** How many records of each HSM were read. */
  get counts(): readonly { hsm: string; records: number }[] {
    return [...this.#logs].map(([hsm, { seq }]) => ({ hsm, records: seq }));
  }

  /** @throws TLOG_ENTRY_MISSING, TLOG_ENTRY_ALTERED, and as {@link HsmLogs.end} */
  requireHead(hsm: string, { seq, hash }: LogHead): void {
    const log = this.#logs.get(hsm);
    if (log === undefined || seq < log.seq) return; // rule 8 tells of a log that went back
    while (log.seq < seq && log.next());
    if (log.seq < seq)
      throw failure('TLOG_ENTRY_MISSING', `the log of HSM ${hsm} ends after ${log.seq} of ${seq} records`);
    if (log.hash !== hash)
      throw failure('TLOG_ENTRY_ALTERED', `record ${seq} of HSM ${hsm} is not the one that was anchored`);
  }

  /** Reads what comes after the last anchor. @throws TLOG_MALFORMED, TLOG_COUNTER_GAP, TLOG_ENTRY_ALTERED */
  end(): void {
    for (const log of this.#logs.values()) while (log.next());
  }

  close(): void {
    for (const log of this.#logs.values()) log.close();
  }
}

class HsmLog {
  readonly #hsm: string;
  readonly #file: number;
  #unread = Buffer.alloc(0);
  seq = 0;
  /** Of the last record that was read. */
  hash = '0'.repeat(64);

  constructor(hsm: string, file: string) {
    this.#hsm = hsm;
    this.#file = openSync(file, 'r');
  }

  /** Reads one record, and checks that it continues the one before; false at the end. */
  next(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    const { seq, prevHash } = this.#record(line);
    if (seq !== this.seq + 1)
      throw failure('TLOG_COUNTER_GAP', `the log of HSM ${this.#hsm} has record ${seq} after ${this.seq}`);
    if (prevHash !== this.hash)
      throw failure(
        'TLOG_ENTRY_ALTERED',
        `record ${seq} of HSM ${this.#hsm} does not continue the one before it`,
      );
    this.seq = seq;
    this.hash = createHash('sha256').update(line).digest('hex').toUpperCase();
    return true;
  }

  close(): void {
    closeSync(this.#file);
  }

  #record(line: Uint8Array): { seq: number; prevHash: string } {
    const record = parseCanonicalJson(line) as Body | null;
    const { seq, prevHash } = record !== null && typeof record === 'object' ? record : {};
    if (typeof seq === 'number' && Number.isInteger(seq) && typeof prevHash === 'string')
      return { seq, prevHash };
    throw this.#malformed('has no number or no hash of the one before');
  }

  #line(): Uint8Array | undefined {
    for (;;) {
      const end = this.#unread.indexOf(0x0a);
      if (end > LONGEST_RECORD || (end < 0 && this.#unread.length > LONGEST_RECORD))
        throw this.#malformed(`is longer than ${LONGEST_RECORD} bytes`);
      if (end >= 0) {
        const line = this.#unread.subarray(0, end);
        this.#unread = this.#unread.subarray(end + 1);
        return line;
      }
      const more = Buffer.alloc(65_536);
      const length = readSync(this.#file, more);
      if (length === 0 && this.#unread.length > 0) throw this.#malformed('has no line feed');
      if (length === 0) return undefined;
      this.#unread = Buffer.concat([this.#unread, more.subarray(0, length)]);
    }
  }

  #malformed(what: string): TransparencyLogError {
    return failure('TLOG_MALFORMED', `the record after ${this.seq} of HSM ${this.#hsm} ${what}`);
  }
}

function failure(code: TransparencyLogErrorCode, message: string): TransparencyLogError {
  return new TransparencyLogError(code, message);
}
