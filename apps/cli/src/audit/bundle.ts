import { constants } from 'node:fs';
import { appendFile, mkdir, open, opendir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  canonicalJson,
  type JsonValue,
  parseCanonicalJson,
  type Tile,
  TransparencyLogError,
  tilePath,
} from '@openkdh/transparency-log';
import { onFile } from '../files.ts';

/** A folder that an auditor can verify with no network: docs/audit-log.md, "Bundle". */

/** Which entries of a log a bundle has. */
export type Content = 'whole' | 'part';

export const bundleFiles = {
  /** Format and content. */
  manifest: 'bundle.json',
  /** The log's verifier key: to compare with the one that the auditor has kept, never to trust. */
  key: 'key',
  /** A signed note. */
  checkpoint: 'checkpoint',
} as const;

/** Names of people, as JSON lines; a bundle may be without it. */
export const namesPath = 'names';

/** The own log of an HSM in a whole bundle, by its serial number; a bundle may be without it. @throws TLOG_MALFORMED (no serial number that is a file name) */
export function hsmLogPath(hsm: string): string {
  if (!isHsmName(hsm)) throw malformed('the serial number of an HSM cannot be the name of a file');
  return `hsm-log/${hsm}`;
}

/** The serial number of an HSM in the path of its log; undefined for another path. */
export function hsmOfPath(path: string): string | undefined {
  const name = path.startsWith('hsm-log/') ? path.slice('hsm-log/'.length) : '';
  return isHsmName(name) ? name : undefined;
}

function isHsmName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text);
}

/** Longest note and key that are read, bytes: a checkpoint with hundreds of cosignatures fits. */
const longestText = 64 * 1024;
/** 256 entries with a length of two bytes each. */
const longestTile = 256 * (2 + 0xffff);

/** Path of the bundle of entries beside a tile of level 0. */
export function entriesPath(tile: Tile): string {
  return tilePath({ ...tile, level: 'entries' });
}

/** Paths of an entry of a part: the entry as it is, and its receipt (C2SP tlog-proof). */
export function entryPaths(index: bigint): { entry: string; receipt: string } {
  return { entry: `entry/${index}.json`, receipt: `entry/${index}.tlog-proof` };
}

export function formatManifest(content: Content): Uint8Array {
  return canonicalJson({ content, format: 1 });
}

/** @throws TLOG_MALFORMED */
export function parseManifest(bytes: Uint8Array): Content {
  const manifest = parseCanonicalJson(bytes) as { content?: JsonValue };
  for (const content of ['whole', 'part'] as const) {
    if (manifest?.content === content && Buffer.compare(formatManifest(content), bytes) === 0) return content;
  }
  throw malformed(`${bundleFiles.manifest}: expected format 1 with the content whole or part`);
}

/** Writes a file of a new bundle, and the folders above it. */
export async function writeBundleFile(bundle: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = join(bundle, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes, { flag: 'wx' });
}

/** Adds to a file of a new bundle, and makes it and the folders above it first. */
export async function appendBundleFile(bundle: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = join(bundle, path);
  await mkdir(dirname(file), { recursive: true });
  await appendFile(file, bytes);
}

/** A text of a bundle, a note or key for example. @throws TLOG_MALFORMED (not there, or too long) */
export async function readBundleText(bundle: string, path: string): Promise<Uint8Array> {
  const bytes = await readIfThere(join(bundle, path), path, longestText);
  if (bytes === undefined) throw malformed(`the bundle has no ${path}`);
  return bytes;
}

/** A tile, an entry or the names of a bundle; undefined where there is none. @throws TLOG_MALFORMED (too long) */
export function readBundlePart(bundle: string, path: string): Promise<Uint8Array | undefined> {
  return readIfThere(join(bundle, path), path, longestTile);
}

/** Paths of all files in a bundle, relative to it. @throws TLOG_MALFORMED (what is no file and no folder) */
export async function* bundlePaths(bundle: string, under = ''): AsyncGenerator<string> {
  for await (const item of await opendir(join(bundle, under))) {
    const path = under === '' ? item.name : `${under}/${item.name}`;
    if (item.isDirectory()) yield* bundlePaths(bundle, path);
    else if (item.isFile()) yield path;
    else throw malformed('the bundle has something that is no file and no folder');
  }
}

async function readIfThere(file: string, path: string, most: number): Promise<Uint8Array | undefined> {
  // A pipe in place of a file must not keep us waiting.
  const opening = open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    },
  );
  const handle = await onFile('bundle', opening);
  if (handle === undefined) return undefined;
  try {
    const status = await handle.stat();
    if (!status.isFile() || status.size > most)
      throw malformed(`${path}: expected a file of at most ${most} bytes`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function malformed(message: string): TransparencyLogError {
  return new TransparencyLogError('TLOG_MALFORMED', message);
}
