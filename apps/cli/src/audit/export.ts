import { mkdir, readFile } from 'node:fs/promises';
import {
  type Checkpoint,
  formatReceipt,
  inclusionProof,
  inclusionTiles,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  subtreeHashFromTiles,
  type Tile,
  tilePath,
  tilesOfGrowth,
} from '@openkdh/transparency-log';
import { defineCommand } from '../command.ts';
import { onFile } from '../files.ts';
import { flag, optional, text, time } from '../members.ts';
import { bundleFiles, entriesPath, entryPaths, formatManifest, writeBundleFile } from './bundle.ts';
import { type Entry, parseEntry } from './entry.ts';
import { type LogApi, openLogApi } from './log-api.ts';

/** Which entries a part has; what is left out matches everything. */
interface Filter {
  readonly terminal: string | undefined;
  readonly from: Date | undefined;
  readonly until: Date | undefined;
}

export const exportLog = defineCommand({
  name: 'audit export',
  summary:
    'Copies the log of a KDH into a bundle that can be verified offline: all of it, or the entries of a filter.',
  members: {
    api: text('address of the KDH, for example http://127.0.0.1:8080'),
    tokenFile: text('file with the token of an operator'),
    out: text('folder to make for the bundle'),
    terminal: optional(text('only entries about this terminal, by its UUID')),
    from: optional(time('only entries from this time on')),
    until: optional(time('only entries before this time')),
    final: optional(flag('up to the newest checkpoint that enough witnesses have cosigned')),
  },
  async run({ api, tokenFile, out, terminal, from, until, final = false }) {
    const log = openLogApi(api, await onFile('tokenFile', readFile(tokenFile, 'utf8')));
    const checkpointNote = await log.get(final ? 'final-checkpoint' : 'checkpoint');
    const checkpoint = parseCheckpoint(parseNote(checkpointNote).text);
    const isWhole = terminal === undefined && from === undefined && until === undefined;
    await onFile('out', mkdir(out));
    await writeBundleFile(out, bundleFiles.manifest, formatManifest(isWhole ? 'whole' : 'part'));
    await writeBundleFile(out, bundleFiles.key, await log.get('key'));
    await writeBundleFile(out, bundleFiles.checkpoint, checkpointNote);
    const about = { bundle: out, origin: checkpoint.origin, size: String(checkpoint.size) };
    if (isWhole) {
      await exportWhole(log, out, checkpoint);
      return { ...about, content: 'whole' };
    }
    const filter = { terminal, from, until };
    return {
      ...about,
      content: 'part',
      entries: await exportPart(log, out, checkpoint, checkpointNote, filter),
    };
  },
});

/** Entries and leaf hashes as they come: to say what is wrong with them is for `audit verify`. */
async function exportWhole(log: LogApi, out: string, { size }: Checkpoint): Promise<void> {
  for (const tile of leafTiles(size)) {
    for (const path of [tilePath(tile), entriesPath(tile)]) {
      const bytes = await log.find(path);
      if (bytes !== undefined) await writeBundleFile(out, path, bytes);
    }
  }
}

/** The entries that match, each with a receipt; returns how many. */
async function exportPart(
  log: LogApi,
  out: string,
  { size }: Checkpoint,
  checkpointNote: Uint8Array,
  filter: Filter,
): Promise<number> {
  const tiles = new Tiles(log);
  let exported = 0;
  for (const tile of leafTiles(size)) {
    const entries = parseEntryBundle(await log.get(entriesPath(tile)));
    for (const [position, bytes] of entries.entries()) {
      const index = tile.index * 256n + BigInt(position);
      if (!matches(parseEntry(bytes, index), filter)) continue;
      const readTile = await tiles.fetch(inclusionTiles(index, size));
      const proof = inclusionProof(index, size, subtreeHashFromTiles(size, readTile));
      const paths = entryPaths(index);
      await writeBundleFile(out, paths.entry, bytes);
      await writeBundleFile(out, paths.receipt, formatReceipt({ index, proof, checkpoint: checkpointNote }));
      exported += 1;
    }
  }
  return exported;
}

/** Tiles of hashes. What the entry before needed is kept: its neighbour needs nearly the same. */
class Tiles {
  readonly #log: LogApi;
  #kept = new Map<string, Uint8Array>();

  constructor(log: LogApi) {
    this.#log = log;
  }

  async fetch(tiles: readonly Tile[]): Promise<(tile: Tile) => Uint8Array> {
    const wanted = new Map<string, Uint8Array>();
    for (const path of tiles.map(tilePath))
      wanted.set(path, this.#kept.get(path) ?? (await this.#log.get(path)));
    this.#kept = wanted;
    return (tile) => wanted.get(tilePath(tile))!;
  }
}

function* leafTiles(size: bigint): Generator<Tile> {
  for (const tile of tilesOfGrowth(0n, size)) {
    if (tile.level !== 0) return; // level by level, the leaves first
    yield tile;
  }
}

function matches(entry: Entry, { terminal, from, until }: Filter): boolean {
  const at = new Date(entry.time);
  if (terminal !== undefined && entry.terminal !== terminal) return false;
  return (from === undefined || at >= from) && (until === undefined || at < until);
}
