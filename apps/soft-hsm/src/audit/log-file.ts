import { constants, write } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { AuditLine } from '@openkdh/hsm-management';

const { O_CREAT, O_DSYNC, O_RDWR } = constants;

/** There is one of these for every few commands, and `FileHandle.write` costs the HSM's thread more. */
const writeBytes = promisify(write);

const lineFeed = 0x0a;
/** By so much the file grows ahead of its records. */
const growthBytes = 1024 * 1024;
/** The longest single write of records: a power cut can leave so much in pieces. */
const maxWriteBytes = 64 * 1024;

/**
 * The file of the log. While it is open it is longer than its records: behind them are zero bytes that are on disk
 * already. A write of records then changes neither the length of the file nor where its blocks are, so the disk has one
 * thing to write in place of three. No record has a zero byte, so the records end at the first one.
 *
 * `read.ts` reads the same file for those who copy it.
 */
export class LogFile {
  readonly #file: FileHandle;
  /** Where the last complete line ends. */
  #end = 0;
  /** Length of the file. */
  #length = 0;
  /** Bytes behind the last complete line that a crash has left of others. */
  #tornBytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Opens the file at `path`, or a new one. The lines that it returns go back to the last one that `isEnough`, or to the
   * start of the file. Nothing is changed in the file before `cutTorn`.
   */
  static async open(
    path: string,
    isEnough: (line: AuditLine) => boolean,
  ): Promise<{ file: LogFile; lines: AuditLine[] }> {
    // O_DSYNC: a write that has returned is on disk, and there is no second system call to wait for.
    const handle = await open(path, O_RDWR | O_CREAT | O_DSYNC, 0o600);
    try {
      const file = new LogFile(handle);
      return { file, lines: await file.#lastLines(isEnough) };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Cuts off what is behind the last complete line; must come before the first `append`. Returns how many bytes of torn lines that were. */
  async cutTorn(): Promise<number> {
    await this.trim();
    return this.#tornBytes;
  }

  /** Resolves when the lines are on disk. One call at a time, and none after one that has failed. */
  async append(lines: readonly AuditLine[]): Promise<void> {
    const bytes = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
    const end = this.#end + bytes.length;
    if (end > this.#length) await this.#grow(end + growthBytes);
    await this.#write(bytes, this.#end, maxWriteBytes);
    this.#end = end;
  }

  /** Gives the zero bytes back. */
  async trim(): Promise<void> {
    if (this.#length > this.#end) await this.#file.truncate(this.#end);
    this.#length = this.#end;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** In one write, since records wait for it: what is left of zero bytes in pieces is zero bytes. */
  async #grow(length: number): Promise<void> {
    const zeros = Buffer.alloc(length - this.#length);
    await this.#write(zeros, this.#length, zeros.length);
    this.#length = length;
  }

  async #write(bytes: Buffer, position: number, mostBytes: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(bytes.length - at, mostBytes);
      at += (await writeBytes(this.#file.fd, bytes, at, length, position + at)).bytesWritten;
    }
  }

  async #lastLines(isEnough: (line: AuditLine) => boolean): Promise<AuditLine[]> {
    this.#length = (await this.#file.stat()).size;
    const written = await this.#endOfWritten();
    let at = await this.#endOfRecords(written);
    let tail = Buffer.alloc(0);
    for (;;) {
      const complete = tail.lastIndexOf(lineFeed) + 1;
      const start = at === 0 ? 0 : tail.indexOf(lineFeed) + 1;
      const lines = tail.toString('latin1', start, complete).split('\n').slice(0, -1);
      const enough = lines.findLastIndex(isEnough);
      if (at === 0 || enough >= 0) {
        this.#end = at + complete;
        this.#tornBytes = written - this.#end;
        return lines.slice(Math.max(enough, 0));
      }
      const block = await this.#blockBefore(at);
      at -= block.length;
      tail = Buffer.concat([block, tail]);
    }
  }

  /** Where the zero bytes begin that reach to the end of the file. */
  async #endOfWritten(): Promise<number> {
    let at = this.#length;
    while (at > 0) {
      const block = await this.#blockBefore(at);
      const last = block.findLastIndex((byte) => byte !== 0);
      at -= block.length - (last + 1);
      if (last >= 0) break;
    }
    return at;
  }

  /** A disk may have written the end of the last write before its start, and then lost its power: a hole is left. */
  async #endOfRecords(written: number): Promise<number> {
    const lastWrite = await this.#blockBefore(written);
    const hole = lastWrite.indexOf(0);
    return hole === -1 ? written : written - lastWrite.length + hole;
  }

  async #blockBefore(end: number): Promise<Buffer> {
    const length = Math.min(maxWriteBytes, end);
    const block = Buffer.alloc(length);
    await this.#file.read(block, 0, length, end - length);
    return block;
  }
}
