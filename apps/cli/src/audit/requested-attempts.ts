import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A record: id of the attempt (16 bytes), index of its request (8, big endian). They are sorted as bytes. */
const recordBytes = 24;
const idBytes = 16;

/** Records held in memory, 1.5 MB: a run. */
const mostHeld = 65_536;

/** An attempt that was requested again. */
export interface Repeat {
  /** UUID. */
  readonly id: string;
  /** Of the later request. */
  readonly index: bigint;
}

/**
 * The ids of all attempts that a history requests, and whether it requests one twice: exact, and in memory that does not
 * grow with the history. What is more than a run is sorted and goes to a temporary file, which has no name any more and
 * is gone with the process; to answer, the runs are read side by side.
 */
export class RequestedAttempts {
  readonly #records: Buffer;
  #held = 0;
  /** Descriptor of the temporary file. */
  #file: number | undefined;
  /** Full runs in the file, one after the other. */
  #runs = 0;

  /** `held`: records of a run; tests take fewer. */
  constructor(held = mostHeld) {
    this.#records = Buffer.alloc(held * recordBytes);
  }

  /** `id`: UUID in lower case; `index`: of the entry that requests it, greater than all before. */
  add(id: string, index: bigint): void {
    if (this.#held * recordBytes === this.#records.length) this.#writeRun();
    const at = this.#held * recordBytes;
    this.#records.write(id.replaceAll('-', ''), at, 'hex');
    this.#records.writeBigUInt64BE(index, at + idBytes);
    this.#held += 1;
  }

  /** The first request of an attempt that was requested before. Called once: nothing can be added any more. */
  firstRepeat(): Repeat | undefined {
    const rest = this.#sorted();
    if (this.#file === undefined) return firstRepeatIn([new RunReader(rest)]);
    const runs = Array.from({ length: this.#runs }, (_, n) => this.#readerOf(n));
    try {
      return firstRepeatIn([...runs, new RunReader(rest)]);
    } finally {
      closeSync(this.#file);
    }
  }

  #writeRun(): void {
    this.#file ??= openNameless();
    writeAll(this.#file, this.#sorted(), this.#runs * this.#records.length);
    this.#runs += 1;
    this.#held = 0;
  }

  /** Reads a run through a window: all windows together have the size of a run, as long as there are no more runs than records. */
  #readerOf(run: number): RunReader {
    const file = this.#file!;
    const share = Math.max(1, Math.floor(this.#records.length / recordBytes / this.#runs)) * recordBytes;
    const window = Buffer.alloc(share);
    const end = (run + 1) * this.#records.length;
    let at = run * this.#records.length;
    return new RunReader(Buffer.alloc(0), () => {
      const length = Math.min(window.length, end - at);
      readAll(file, window.subarray(0, length), at);
      at += length;
      return window.subarray(0, length);
    });
  }

  /** A sorted copy of what is held. */
  #sorted(): Buffer {
    const records = this.#records;
    const order = Uint32Array.from({ length: this.#held }, (_, n) => n * recordBytes);
    order.sort((a, b) => records.compare(records, b, b + recordBytes, a, a + recordBytes));
    const sorted = Buffer.alloc(this.#held * recordBytes);
    for (const [n, at] of order.entries()) records.copy(sorted, n * recordBytes, at, at + recordBytes);
    return sorted;
  }
}

/** The records of a sorted run, one after the other. */
class RunReader {
  #window: Buffer;
  #at = 0;
  readonly #more: () => Buffer;

  /** `more`: the records after those in `window`; none at the end. */
  constructor(window: Buffer, more: () => Buffer = () => Buffer.alloc(0)) {
    this.#window = window;
    this.#more = more;
    if (window.length === 0) this.#refill();
  }

  /** The record that it stands at; `undefined` behind the last. */
  get record(): Buffer | undefined {
    if (this.#at === this.#window.length) return undefined;
    return this.#window.subarray(this.#at, this.#at + recordBytes);
  }

  next(): void {
    this.#at += recordBytes;
    if (this.#at === this.#window.length) this.#refill();
  }

  #refill(): void {
    this.#window = this.#more();
    this.#at = 0;
  }
}

/** All records in order: of two with one id, the second is a repeat. */
function firstRepeatIn(runs: readonly RunReader[]): Repeat | undefined {
  const waiting = runs.filter(({ record }) => record !== undefined).sort(byRecord);
  const last = Buffer.alloc(recordBytes);
  let first: Repeat | undefined;
  for (let any = false; waiting.length > 0; any = true) {
    const run = waiting.shift()!;
    const record = run.record!;
    const index = record.readBigUInt64BE(idBytes);
    const repeats = any && record.compare(last, 0, idBytes, 0, idBytes) === 0;
    if (repeats && (first === undefined || index < first.index)) first = { id: uuidOf(record), index };
    record.copy(last);
    run.next();
    if (run.record !== undefined) waiting.splice(placeIn(waiting, run), 0, run);
  }
  return first;
}

function byRecord(a: RunReader, b: RunReader): number {
  return Buffer.compare(a.record!, b.record!);
}

/** Where a run belongs among others that are in order, by halving. */
function placeIn(runs: readonly RunReader[], run: RunReader): number {
  let [low, high] = [0, runs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byRecord(runs[middle]!, run) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function uuidOf(record: Buffer): string {
  return record.toString('hex', 0, idBytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** A file of mode 0600 that nobody else can open, and that is gone when it is closed. */
function openNameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-verify-'));
  try {
    return openSync(join(folder, 'attempts'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}

function readAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const length = readSync(file, bytes, done, bytes.length - done, position + done);
    if (length === 0) throw new Error('the temporary file has become shorter');
    done += length;
  }
}
