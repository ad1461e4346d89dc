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
import { LogFile } from './log-file.ts';
import { LogReader } from './read.ts';

/** A signed checkpoint after so many records; start reads back to the last one. */
const recordsPerCheckpoint = 1000;
/** So many records do not wait for others to share their write: those of two turns (wire/connection.ts). */
const recordsPerWrite = 8;
/** Events after which this HSM may not work any more. */
const signedAtOnce: readonly AuditEntry['event'][] = ['failed', 'shutdown', 'tampered'];

/** Lines that share one write, and the promise that it is on disk. */
interface Batch {
  lines: AuditLine[];
  /** Waits no longer for other records. */
  begin: () => void;
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
  readonly #file: LogFile;
  readonly #key: CheckpointKey;
  readonly #now: () => Date;
  #head: ChainHead;
  #collecting: Batch | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  private constructor(path: string, file: LogFile, key: CheckpointKey, now: () => Date, head: ChainHead) {
    this.records = new LogReader(path);
    this.#file = file;
    this.#key = key;
    this.#now = now;
    this.#head = head;
  }

  /**
   * Opens the log at `path`, or a new one, and verifies it from the last checkpoint on; `start` must follow.
   * Throws SOFT_HSM_AUDIT if the chain is broken.
   */
  static async open(path: string, key: CheckpointKey, now: () => Date): Promise<AuditLog> {
    const { file, lines } = await LogFile.open(path, isCheckpoint);
    try {
      return new AuditLog(path, file, key, now, headOf(lines, key.publicKey));
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
    const droppedBytes = await this.#file.cutTorn();
    this.#head = { ...this.#head, bootCounter: this.#head.bootCounter + 1 };
    await this.append(boot);
    if (droppedBytes > 0) await this.append({ event: 'recovered', droppedBytes });
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
    const { lines, written, begin } = this.#collecting;
    lines.push(this.#chain(entry, releasedKeys));
    const due = this.#head.seq - this.#head.checkpointSeq >= recordsPerCheckpoint;
    if (due || signedAtOnce.includes(entry.event)) lines.push(this.#checkpoint());
    if (lines.length >= recordsPerWrite) begin();
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
      await this.#file.trim();
    } finally {
      await this.#file.close();
    }
  }

  #startBatch(): Batch {
    const batch: Batch = { lines: [], begin: () => {}, written: Promise.resolve() };
    const begun = new Promise<void>((resolve) => {
      batch.begin = resolve;
      setImmediate(() => setImmediate(resolve)); // the next turn has its records in it by then
    });
    batch.written = Promise.all([this.#lastWrite, begun]).then(() => {
      this.#collecting = undefined;
      return this.#file.append(batch.lines);
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

const isCheckpoint = (line: AuditLine) => line.includes('"event":"checkpoint"');

function headOf(lines: readonly AuditLine[], checkpointKey: string): ChainHead {
  const [first] = lines;
  if (first === undefined) return emptyChain;
  const start = isCheckpoint(first) ? headBefore(first) : emptyChain;
  return lines.reduce((head, line) => continueChain(head, line, checkpointKey), start);
}
