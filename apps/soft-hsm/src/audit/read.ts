import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type AuditLine, parseRecord } from '@openkdh/hsm-management';

/** No record is half as long. */
const probeBytes = 16 * 1024;
const lineFeed = 0x0a;

/**
 * Records of the log at `path` from sequence number `fromSeq` on: the lines that fit `maxBytes`, line feeds included.
 * Sequence numbers grow through the file, so the place is found by bisection. What is being written is left out.
 */
export async function readRecords(path: string, fromSeq: number, maxBytes: number): Promise<AuditLine[]> {
  const file = await open(path, 'r');
  try {
    const bytes = await readAt(file, await offsetOf(file, fromSeq), maxBytes);
    const complete = bytes.toString('latin1', 0, bytes.lastIndexOf(lineFeed) + 1);
    return complete.split('\n').slice(0, -1);
  } finally {
    await file.close();
  }
}

/** Where the first line begins whose sequence number is at least `seq`. */
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
  return bytes.subarray(0, bytesRead);
}

/** The first record, with which the first start begins, is shorter than this. */
const firstRecordBytes = 4096;

/** Whether a log has any record; half of one, which a crash has left, is none. */
export function hasRecords(path: string): boolean {
  if (!existsSync(path)) return false;
  const file = openSync(path, 'r');
  try {
    const start = Buffer.alloc(firstRecordBytes);
    return start.subarray(0, readSync(file, start)).includes('\n');
  } finally {
    closeSync(file);
  }
}
