import { leafHash, type Tile, tilePath } from '@openkdh/transparency-log';
import { entriesIn } from '../log/entry-runs.ts';
import { parseArchiveAddress } from './archive-address.ts';
import { FolderArchive } from './folder-archive.ts';
import { S3Archive } from './s3-archive.ts';

/**
 * Full tiles and bundles of the log as plain files, by the paths of C2SP tlog-tiles. Nobody trusts it: what comes out is
 * held against the hashes of the log, here before it is relied on, and by whoever verifies a bundle or a receipt.
 */
export interface Archive {
  /** `undefined` if it has no such file. @throws ArchiveError ARCHIVE_AWAY */
  get(path: string): Promise<Uint8Array | undefined>;
  /** Writes a file as a whole, in place of one that is there. @throws ArchiveError ARCHIVE_AWAY */
  put(path: string, bytes: Uint8Array): Promise<void>;
}

/** Injection token of the {@link Archive} of this KDH, `undefined` where none is set. */
export const ARCHIVE = Symbol('ARCHIVE');

/** `address`: of a form that parseArchiveAddress knows. */
export function openArchive(address: string): Archive {
  const parsed = parseArchiveAddress(address)!;
  return parsed.kind === 'folder' ? new FolderArchive(parsed.folder) : new S3Archive(parsed);
}

/** The path of the bundle of the entries from `index` · 256 on. */
export function entriesPath(index: bigint): string {
  return tilePath({ level: 'entries', index, width: 256 } satisfies Tile);
}

/** Whether `bundle` holds exactly the entries whose leaf hashes `tile` has, a full tile of level 0. */
export function isBundleOf(tile: Uint8Array, bundle: Uint8Array): boolean {
  const entries = entriesIn(bundle);
  return entries !== undefined && Buffer.concat(entries.map(leafHash)).equals(tile);
}
