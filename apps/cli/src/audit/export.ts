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
import {
  bundleFiles,
  entriesPath,
  entryPaths,
  formatManifest,
  namesPath,
  writeBundleFile,
} from './bundle.ts';
import { type Entry, parseEntry } from './entry.ts';
import { type LogApi, openLogApi } from './log-api.ts';
import { Part, type PartFilter } from './part.ts';

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
    bdk: optional(
      text('only attempts with KSNs of this BDK, by its BDK id (8 hex digits) or key set id (10)'),
    ),
    campaign: optional(text('only attempts of this campaign, by its UUID')),
    run: optional(text('only attempts of this bench run, by its UUID')),
    final: optional(flag('up to the newest checkpoint that enough witnesses have cosigned')),
    names: optional(flag('with the names of people, as far as they are not erased')),
  },
  async run({ api, tokenFile, out, final = false, names = false, ...filter }) {
    const log = openLogApi(api, await onFile('tokenFile', readFile(tokenFile, 'utf8')));
    const checkpointNote = await log.get(final ? 'final-checkpoint' : 'checkpoint');
    const checkpoint = parseCheckpoint(parseNote(checkpointNote).text);
    const isWhole = Object.values(filter).every((value) => value === undefined);
    await onFile('out', mkdir(out));
    await writeBundleFile(out, bundleFiles.manifest, formatManifest(isWhole ? 'whole' : 'part'));
    await writeBundleFile(out, bundleFiles.key, await log.get('key'));
    await writeBundleFile(out, bundleFiles.checkpoint, checkpointNote);
    if (names) await writeBundleFile(out, namesPath, await log.get('names'));
    const about = { bundle: out, origin: checkpoint.origin, size: String(checkpoint.size) };
    if (isWhole) {
      await exportWhole(log, out, checkpoint);
      return { ...about, content: 'whole' };
    }
    return {
      ...about,
      content: 'part',
      entries: await exportPart(log, out, checkpoint, checkpointNote, filter),
    };
  },
});

/** Entries and leaf hashes as they come: to say what is wrong with them is for `audit verify`. */
export async function exportWhole(
  log: Pick<LogApi, 'find'>,
  out: string,
  { size }: Checkpoint,
): Promise<void> {
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
  filter: PartFilter,
): Promise<number> {
  const part = new Part(filter);
  if (part.needsAttempts) {
    for await (const { entry } of entriesOf(log, size)) part.note(entry);
  }
  const tiles = new Tiles(log);
  let exported = 0;
  for await (const { index, bytes, entry } of entriesOf(log, size)) {
    if (!part.has(entry)) continue;
    const readTile = await tiles.fetch(inclusionTiles(index, size));
    const proof = inclusionProof(index, size, subtreeHashFromTiles(size, readTile));
    const paths = entryPaths(index);
    await writeBundleFile(out, paths.entry, bytes);
    await writeBundleFile(out, paths.receipt, formatReceipt({ index, proof, checkpoint: checkpointNote }));
    exported += 1;
  }
  return exported;
}

async function* entriesOf(
  log: LogApi,
  size: bigint,
): AsyncGenerator<{ index: bigint; bytes: Uint8Array; entry: Entry }> {
  for (const tile of leafTiles(size)) {
    const entries = parseEntryBundle(await log.get(entriesPath(tile)));
    for (const [position, bytes] of entries.entries()) {
      const index = tile.index * 256n + BigInt(position);
      yield { index, bytes, entry: parseEntry(bytes, index) };
    }
  }
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
