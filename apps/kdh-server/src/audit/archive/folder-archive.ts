import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Archive } from './archive.ts';
import { ArchiveError } from './archive-error.ts';

/** A folder, of this machine or mounted. */
export class FolderArchive implements Archive {
  constructor(private readonly folder: string) {}

  async get(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.folder, path));
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return undefined;
      throw away(error);
    }
  }

  /** Beside it, synced, then renamed; then the folder synced: a crash leaves the old file or the new one. */
  async put(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.folder, path);
    const draft = `${target}.${process.pid}.new`;
    try {
      await mkdir(dirname(target), { recursive: true });
      await synced(draft, 'w', (file) => file.writeFile(bytes));
      await rename(draft, target);
      await synced(dirname(target), 'r');
    } catch (error) {
      throw away(error);
    }
  }
}

type File = Awaited<ReturnType<typeof open>>;

async function synced(path: string, flags: 'r' | 'w', work?: (file: File) => Promise<void>): Promise<void> {
  const file = await open(path, flags);
  try {
    await work?.(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

function away(error: unknown): ArchiveError {
  return new ArchiveError('ARCHIVE_AWAY', `the archive's folder: ${(error as Error).message}`);
}
