import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import {
  type AuditEntry,
  type AuditLine,
  type AuditRecord,
  acknowledgedBy,
  type ChainHead,
  continueChain,
  emptyChain,
  formatRecord,
  HsmManagementError,
  hashLine,
  headBefore,
  signedPart,
} from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import type { CheckpointKey } from './checkpoint.ts';
import { LogReader } from './read.ts';

const { O_APPEND, O_CREAT, O_DSYNC, O_RDWR } = constants;

/** A signed checkpoint after so many records; start reads back to the last one. */
const recordsPerCheckpoint = 1000;
/** Events after which this HSM may not work any more. */
const signedAtOnce: readonly AuditEntry['event'][] = ['failed', 'shutdown', 'tampered'];
const lineFeed = 0x0a;
const tailBlockBytes = 64 * 1024;

/** Lines that share one write, and the promise that it is on disk. */
interface Batch {
  lines: AuditLine[];
  written: Promise<void>;
}

/**
 * The HSM's own log. A record is on disk when the promise of `append` resolves; records that come while a write is
 * under way share the next one. After a write that failed nothing is appended any more: an HSM that cannot keep its
 * log does not work.
 */
export class AuditLog {
  /** What is on disk, for those who copy it. */
  readonly records: LogReader;
  readonly #file: FileHandle;
  readonly #key: CheckpointKey;
  readonly #now: () => Date;
  readonly #tornBytes: number;
  #head: ChainHead;
  #collecting: Batch | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  private constructor(
    path: string,
    file: FileHandle,
    key: CheckpointKey,
    now: () => Date,
    head: ChainHead,
    tornBytes: number,
  ) {
    this.records = new LogReader(path);
    this.#file = file;
    this.#key = key;
    this.#now = now;
    this.#head = head;
    this.#tornBytes = tornBytes;
  }

  /**
   * Opens the log at `path`, or a new one, and verifies it from the last checkpoint on; `start` must follow.
   * Throws SOFT_HSM_AUDIT if the chain is broken.
   */
  static async open(path: string, key: CheckpointKey, now: () => Date): Promise<AuditLog> {
    // O_DSYNC: a write that has returned is on disk, and there is no second system call to wait for.
    const file = await open(path, O_RDWR | O_CREAT | O_APPEND | O_DSYNC, 0o600);
    try {
      const { lines, tornBytes } = await lastSegment(file);
      return new AuditLog(path, file, key, now, headOf(lines, key.publicKey), tornBytes);
    } catch (error) {
      await file.close();
      if (error instanceof HsmManagementError) throw new SoftHsmError('SOFT_HSM_AUDIT', error.message);
      throw error;
    }
  }

  /**
   * Begins a new start of the HSM with its record. A record that a crash left half-written is cut off first: the
   * answer to its command never left.
   */
  async start(boot: AuditEntry & { event: 'boot' }): Promise<void> {
    if (this.#tornBytes > 0) {
      const { size } = await this.#file.stat();
      await this.#file.truncate(size - this.#tornBytes);
    }
    this.#head = { ...this.#head, bootCounter: this.#head.bootCounter + 1 };
    await this.append(boot);
    if (this.#tornBytes > 0) await this.append({ event: 'recovered', droppedBytes: this.#tornBytes });
  }

  get head(): Readonly<ChainHead> {
    return this.#head;
  }

  /** Public key of the checkpoints, 32 bytes in hex. */
  get checkpointKey(): string {
    return this.#key.publicKey;
  }

  /** Starts an empty log with the counts of the HSM that this one is restored from. */
  continueFrom({ bootCounter, operations }: Pick<ChainHead, 'bootCounter' | 'operations'>): void {
    if (this.#head.seq === 0) this.#head = { ...this.#head, bootCounter, operations };
  }

  /**
   * Resolves when the record is on disk. `releasedKeys`: how many keys left the HSM by it. A failure and the end are
   * signed at once.
   */
  append(entry: AuditEntry, releasedKeys = 0): Promise<void> {
    this.#collecting ??= this.#startBatch();
    const { lines, written } = this.#collecting;
    lines.push(this.#chain(entry, releasedKeys));
    const due = this.#head.seq - this.#head.checkpointSeq >= recordsPerCheckpoint;
    if (due || signedAtOnce.includes(entry.event)) lines.push(this.#checkpoint());
    return written;
  }

  /** Closes the file as it is: a log that is not this HSM's to continue. */
  abandon(): Promise<void> {
    return this.#file.close();
  }

  /** Signs the head and closes the file. */
  async close(): Promise<void> {
    try {
      await this.append({ event: 'shutdown' });
    } finally {
      await this.#file.close();
    }
  }

  #startBatch(): Batch {
    const batch: Batch = { lines: [], written: Promise.resolve() };
    const afterThisTick = new Promise<void>((resolve) => setImmediate(resolve));
    batch.written = Promise.all([this.#lastWrite, afterThisTick]).then(() => {
      this.#collecting = undefined;
      return this.#file.appendFile(`${batch.lines.join('\n')}\n`, 'latin1');
    });
    this.#lastWrite = batch.written;
    return batch;
  }

  #chain(entry: AuditEntry, releasedKeys: number): AuditLine {
    return this.#take(Object.assign(this.#next(releasedKeys), entry)); // spreading both took ten times as long
  }

  #checkpoint(): AuditLine {
    const { acknowledged } = this.#head;
    const unsigned = { event: 'checkpoint', acknowledged, signature: '', ...this.#next(0) } as const;
    const line = this.#take({ ...unsigned, signature: this.#key.sign(signedPart(unsigned)) });
    this.#head = { ...this.#head, checkpointSeq: this.#head.seq };
    return line;
  }

  /** What the chain says of the next record. */
  #next(releasedKeys: number) {
    const { seq, hash, operations, bootCounter } = this.#head;
    return {
      bootCounter,
      operations: operations + releasedKeys,
      prevHash: hash,
      seq: seq + 1,
      time: this.#now().toISOString(),
    };
  }

  /** Makes the record the head of the chain. */
  #take(record: AuditRecord): AuditLine {
    const line = formatRecord(record);
    const { seq, operations, bootCounter } = record;
    const acknowledged = acknowledgedBy(record) ?? this.#head.acknowledged;
    const { checkpointSeq } = this.#head;
    this.#head = { seq, hash: hashLine(line), operations, bootCounter, acknowledged, checkpointSeq };
    return line;
  }
}

/** The complete lines from the last checkpoint (or the start of the file) to the end, and the length of a torn one. */
async function lastSegment(file: FileHandle): Promise<{ lines: AuditLine[]; tornBytes: number }> {
  let { size: at } = await file.stat();
  let tail = Buffer.alloc(0);
  for (;;) {
    const complete = tail.lastIndexOf(lineFeed) + 1;
    const start = at === 0 ? 0 : tail.indexOf(lineFeed) + 1;
    const lines = tail.toString('latin1', start, complete).split('\n').slice(0, -1);
    const checkpoint = lines.findLastIndex((line) => line.includes('"event":"checkpoint"'));
    if (at === 0 || checkpoint >= 0) {
      return { lines: lines.slice(Math.max(checkpoint, 0)), tornBytes: tail.length - complete };
    }
    const length = Math.min(tailBlockBytes, at);
    at -= length;
    const block = Buffer.alloc(length);
    await file.read(block, 0, length, at);
    tail = Buffer.concat([block, tail]);
  }
}

function headOf(lines: readonly AuditLine[], checkpointKey: string): ChainHead {
  const [first] = lines;
  if (first === undefined) return emptyChain;
  const start = first.includes('"event":"checkpoint"') ? headBefore(first) : emptyChain;
  return lines.reduce((head, line) => continueChain(head, line, checkpointKey), start);
}
