import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type AuditLine, parseRecord } from '@openkdh/hsm-management';

/** No record is half as long. */
const probeBytes = 16 * 1024;
const lineFeed = 0x0a;

/**
 * Reads the log at `path`. What is copied part after part, each time from the last record of the part before, is found
 * without a search: a log only grows.
 */
export class LogReader {
  readonly #path: string;
  /** Where the last record begins that was read. */
  #last = { seq: 0, offset: 0 };

  constructor(path: string) {
    this.#path = path;
  }

  /** Records from sequence number `fromSeq` on: the lines that fit `maxBytes`, line feeds included. What is being written is left out. */
  async read(fromSeq: number, maxBytes: number): Promise<AuditLine[]> {
    const file = await open(this.#path, 'r');
    try {
      const offset = fromSeq === this.#last.seq ? this.#last.offset : await offsetOf(file, fromSeq);
      const bytes = await readAt(file, offset, maxBytes);
      const complete = bytes.toString('latin1', 0, bytes.lastIndexOf(lineFeed) + 1);
      const lines = complete.split('\n').slice(0, -1);
      const last = parseRecord(lines.at(-1) ?? '');
      if (last !== undefined)
        this.#last = { seq: last.seq, offset: offset + complete.length - lines.at(-1)!.length - 1 };
      return lines;
    } finally {
      await file.close();
    }
  }
}

/** Where the first line begins whose sequence number is at least `seq`: they grow through the file, so it is found by bisection. */
async function offsetOf(file: FileHandle, seq: number): Promise<number> {
  let low = 0; // a line begins here, and all lines before it are too early
  let { size: high } = await file.stat();
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const line = await firstLineFrom(file, middle);
    if (line !== undefined && line.seq < seq) low = line.end;
    else high = middle;
  }
  return low;
}

/** The first complete line that begins at `offset` or later. */
async function firstLineFrom(
  file: FileHandle,
  offset: number,
): Promise<{ seq: number; end: number } | undefined> {
  const from = Math.max(0, offset - 1);
  const bytes = await readAt(file, from, probeBytes);
  const start = offset === 0 ? 0 : bytes.indexOf(lineFeed) + 1;
  const end = bytes.indexOf(lineFeed, start);
  if ((start === 0 && offset > 0) || end === -1) return undefined;
  const record = parseRecord(bytes.toString('latin1', start, end));
  return record && { seq: record.seq, end: from + end + 1 };
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  return beforeZero(bytes.subarray(0, bytesRead));
}

/** Behind the records the file has zero bytes; and of a write that is under way, or was cut off, the end may be there before the start. */
function beforeZero(bytes: Buffer): Buffer {
  const zero = bytes.indexOf(0);
  return zero === -1 ? bytes : bytes.subarray(0, zero);
}

/** The first record, with which the first start begins, is shorter than this. */
const firstRecordBytes = 4096;

/** Whether a log has any record; half of one, which a crash has left, is none. */
export function hasRecords(path: string): boolean {
  if (!existsSync(path)) return false;
  const file = openSync(path, 'r');
  try {
    const start = Buffer.alloc(firstRecordBytes);
    return beforeZero(start.subarray(0, readSync(file, start))).includes('\n');
  } finally {
    closeSync(file);
  }
}
