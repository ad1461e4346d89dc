import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatEntryBundle, hashBytes, parseEntryBundle } from '@openkdh/transparency-log';
import { onFile } from '../files.ts';
import type { LogApi } from './log-api.ts';

/**
 * Tiles of hashes and bundles of entries in a folder that a KDH archives its log to (docs/audit-log.md, "The archive"). Only
 * full ones are there: one that is not full is the beginning of the full one.
 */
export function openLogArchive(folder: string): Pick<LogApi, 'find'> {
  return {
    /** @throws CLI_FILE, TLOG_MALFORMED (what a bundle of entries is to be cut from is none) */
    async find(path) {
      const [full, width] = path.split('.p/') as [string, string?];
      const bytes = await readIfThere(join(folder, full));
      return bytes && width ? firstOf(bytes, full, Number(width)) : bytes;
    },
  };
}

function firstOf(bytes: Uint8Array, path: string, width: number): Uint8Array {
  if (!path.startsWith('tile/entries/')) return bytes.subarray(0, width * hashBytes);
  return formatEntryBundle(parseEntryBundle(bytes).slice(0, width));
}

function readIfThere(file: string): Promise<Uint8Array | undefined> {
  const reading = readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return onFile('archive', reading);
}
