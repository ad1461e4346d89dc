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
import { CliError } from '../errors.ts';
import { onFile } from '../files.ts';
import { flag, optional, text, time } from '../members.ts';
import {
  appendBundleFile,
  bundleFiles,
  entriesPath,
  entryPaths,
  formatManifest,
  hsmLogPath,
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
    hsmLog: optional(
      flag('of a whole log: with the logs of the HSMs themselves, as far as the KDH has copied them'),
    ),
    names: optional(flag('with the names of people, as far as they are not erased')),
  },
  async run({ api, tokenFile, out, final = false, names = false, hsmLog = false, ...filter }) {
    const log = openLogApi(api, await onFile('tokenFile', readFile(tokenFile, 'utf8')));
    const checkpointNote = await log.get(final ? 'final-checkpoint' : 'checkpoint');
    const checkpoint = parseCheckpoint(parseNote(checkpointNote).text);
    const isWhole = Object.values(filter).every((value) => value === undefined);
    if (hsmLog && !isWhole)
      throw new CliError(
        'CLI_MEMBER_INVALID',
        'hsmLog: expected no filter with it, since it belongs to a whole log',
      );
    await onFile('out', mkdir(out));
    await writeBundleFile(out, bundleFiles.manifest, formatManifest(isWhole ? 'whole' : 'part'));
    await writeBundleFile(out, bundleFiles.key, await log.get('key'));
    await writeBundleFile(out, bundleFiles.checkpoint, checkpointNote);
    if (names) await writeBundleFile(out, namesPath, await log.get('names'));
    const about = { bundle: out, origin: checkpoint.origin, size: String(checkpoint.size) };
    if (isWhole) {
      await exportWhole(log, out, checkpoint);
      if (hsmLog) await exportHsmLogs(log, out);
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

/** The whole log of each HSM: it may be longer than what the entries tell of, never shorter. */
async function exportHsmLogs(log: LogApi, out: string): Promise<void> {
  const copied = JSON.parse(Buffer.from(await log.get('hsm')).toString()) as { hsm: string }[];
  for (const { hsm } of copied) {
    const path = hsmLogPath(hsm);
    let first = 1;
    for (;;) {
      const lines = await log.find(`hsm/${encodeURIComponent(hsm)}/${first}`);
      if (lines === undefined) break;
      await appendBundleFile(out, path, lines);
      first += Buffer.from(lines).toString('latin1').split('\n').length - 1;
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
