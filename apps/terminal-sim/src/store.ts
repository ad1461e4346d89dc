import { appendFileSync, fstatSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { TerminalSimError } from './errors.ts';

/**
 * The flash memory of all terminals of one process: one append-only journal.
 *
 * - **Atomic.** One `commit` is one journal record: after a power cut it is there whole or not at all, however many
 *   members of a record it changes.
 * - **Durable.** `commit` resolves after fdatasync. Commits of one turn of the event loop, and those that arrive during a
 *   sync, share one.
 * - **Ordered.** Commits are applied, to the file and to `records`, in the order in which they were called.
 * - `records` shows only what is durable.
 *
 * The caller says what a patch (`P`) makes of a record (`T`). Every record is such a patch as well: applied to nothing, it
 * gives itself.
 *
 * Opening replays the journal, drops an unfinished write at its end, and writes a new journal with one entry for each
 * record.
 *
 * The file holds CLEAR KEYS: a terminal has a secure processor for them, a simulator has a folder of mode 0700. Values
 * are written with the structured clone format of V8, which takes bytes as bytes, so that keys are never strings.
 */
export class Store<T extends object, P extends object> {
  /** Bytes at the end of the journal that were no whole record, left by a process that was killed while writing. */
  readonly droppedBytes: number;
  readonly #file: FileHandle;
  readonly #records: Map<string, T>;
  readonly #patched: Patched<T, P>;
  #size: number;
  #waiting: PendingCommit<P>[] = [];
  #next: NodeJS.Immediate | undefined;
  #flushing: Promise<void> | undefined;
  #failure: TerminalSimError | undefined;

  private constructor(
    { file, size }: Journal,
    { records, droppedBytes }: Replayed<T>,
    patched: Patched<T, P>,
  ) {
    this.#file = file;
    this.#size = size;
    this.#records = records;
    this.#patched = patched;
    this.droppedBytes = droppedBytes;
  }

  /** Opens or creates the journal in `folder` (created with mode 0700). Errors: STORE_UNREADABLE. */
  static async open<T extends object, P extends object>(
    folder: string,
    patched: Patched<T, P>,
  ): Promise<Store<T, P>> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const path = join(folder, journalName);
    const replayed = replay(await readJournal(path), path, patched);
    return new Store(await writeCompacted(folder, replayed.records), replayed, patched);
  }

  get records(): ReadonlyMap<string, Readonly<T>> {
    return this.#records;
  }

  /** Patches the record of `key`. Errors: STORE_FAILED, STORE_TAKEN_OVER. */
  commit(key: string, patch: P): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, patch, frame: frameOf({ key, patch }), resolve, reject });
      if (this.#flushing !== undefined) return;
      // With thousands of terminals that have something to read the end of a turn is far away.
      if (this.#waiting.length >= fullBatch) this.#startFlush();
      else this.#next ??= setImmediate(() => this.#startFlush());
    });
  }

  /** Waits for the commits under way and closes the file. */
  async close(): Promise<void> {
    if (this.#waiting.length > 0) this.#startFlush();
    await this.#flushing;
    this.#failure ??= new TerminalSimError('STORE_FAILED', 'the store is closed');
    await this.#file.close();
  }

  #startFlush(): void {
    clearImmediate(this.#next);
    this.#next = undefined;
    this.#flushing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#failure) throw this.#failure;
        await this.#append(Buffer.concat(batch.map(({ frame }) => frame)));
      } catch (error) {
        // The file may end in half a record now, so a later write could not be replayed: nothing more is written.
        this.#failure ??= asFailure(error);
        for (const { reject } of batch) reject(this.#failure);
        continue;
      } finally {
        for (const { frame } of batch) frame.fill(0);
      }
      for (const { key, patch, resolve } of batch) {
        this.#records.set(key, this.#patched(this.#records.get(key), patch));
        resolve();
      }
    }
    this.#flushing = undefined;
  }

  /** What comes before datasync reaches the page cache only and waits for nothing, so that a thread would only cost. */
  async #append(bytes: Buffer): Promise<void> {
    try {
      const { size, nlink } = fstatSync(this.#file.fd);
      if (size !== this.#size || nlink === 0) {
        throw new TerminalSimError('STORE_TAKEN_OVER', 'another process has opened this state folder');
      }
      appendFileSync(this.#file.fd, bytes);
      await this.#file.datasync();
      this.#size += bytes.length;
    } finally {
      bytes.fill(0);
    }
  }
}

/** The record of a key after a patch; without a record at the first one. */
type Patched<T, P> = (record: T | undefined, patch: P) => T;

interface Entry<P> {
  key: string;
  patch: P;
}

interface Journal {
  file: FileHandle;
  /** Bytes of it that are durable. */
  size: number;
}

interface Replayed<T> {
  records: Map<string, T>;
  droppedBytes: number;
}

interface PendingCommit<P> extends Entry<P> {
  frame: Buffer;
  resolve: () => void;
  reject: (reason: Error) => void;
}

const journalName = 'journal';
/** So many commits do not wait for the end of their turn of the event loop. */
const fullBatch = 256;
/** First bytes of the file: kind and version of the format. */
const magic = Buffer.from('OpenKDH terminals 1\n', 'latin1');
const frameHeaderBytes = 8;

/** length of the payload[4] CRC-32 of the payload[4] payload; numbers are big-endian. */
function frameOf(entry: Entry<object>): Buffer {
  const payload = serialize(entry);
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  frame.writeUInt32BE(payload.length, 0);
  frame.writeUInt32BE(crc32(payload), 4);
  payload.copy(frame, frameHeaderBytes);
  payload.fill(0);
  return frame;
}

async function readJournal(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.from(magic);
    throw error;
  }
}

function replay<T, P>(journal: Buffer, path: string, patched: Patched<T, P>): Replayed<T> {
  if (!journal.subarray(0, magic.length).equals(magic)) {
    throw new TerminalSimError('STORE_UNREADABLE', `${path} is not a journal of version 1`);
  }
  const records = new Map<string, T>();
  let offset = magic.length;
  for (let payload = payloadAt(journal, offset); payload; payload = payloadAt(journal, offset)) {
    // A copy, because the deserializer returns views, which would keep the whole journal in memory.
    const { key, patch } = deserialize(Uint8Array.prototype.slice.call(payload)) as Entry<P>;
    records.set(key, patched(records.get(key), patch));
    offset += frameHeaderBytes + payload.length;
  }
  const droppedBytes = journal.length - offset;
  journal.fill(0);
  return { records, droppedBytes };
}

/** The payload of the whole and undamaged frame at `offset`, or nothing at the end of what was written completely. */
function payloadAt(journal: Buffer, offset: number): Buffer | undefined {
  const start = offset + frameHeaderBytes;
  if (start > journal.length) return undefined;
  const end = start + journal.readUInt32BE(offset);
  // A file system may have made the file longer but not filled it: eight zeros are no empty frame.
  if (end > journal.length || end === start) return undefined;
  const payload = journal.subarray(start, end);
  return crc32(payload) === journal.readUInt32BE(offset + 4) ? payload : undefined;
}

/** Writes the journal anew beside the old one and puts it in its place, so that a crash leaves one of the two. */
async function writeCompacted(folder: string, records: Map<string, object>): Promise<Journal> {
  const path = join(folder, journalName);
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  let size = 0;
  const append = async (bytes: Buffer) => {
    await file.appendFile(bytes);
    size += bytes.length;
  };
  await append(Buffer.from(magic));
  for (const [key, patch] of records) await append(frameOf({ key, patch }));
  await file.datasync();
  await rename(temporary, path);
  const directory = await open(folder, 'r');
  await directory.sync().finally(() => directory.close());
  return { file, size };
}

function asFailure(error: unknown): TerminalSimError {
  if (error instanceof TerminalSimError) return error;
  return new TerminalSimError('STORE_FAILED', `the journal could not be written: ${String(error)}`, {
    cause: error,
  });
}
