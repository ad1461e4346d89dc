import { beforeEach, expect, test } from '@jest/globals';
import { formatEntryBundle, growTiles, leafHash, tilePath } from '@openkdh/transparency-log';
import type { Archive } from './archive.ts';
import { archiveBundles } from './archive-bundles.ts';

/** 257 full bundles, of which 256 fill a tile of level 1, and some entries more. */
const entries: readonly Buffer[] = Array.from({ length: 257 * 256 + 9 }, (_, n) => Buffer.from(`{"n":${n}}`));
const tiles = new Map<string, Uint8Array>();
for (const { tile, bytes } of growTiles(0n, () => new Uint8Array(), entries.map(leafHash)))
  tiles.set(`${tile.level} ${tile.index}`, bytes);

/** A log as the two queries find it; the entry at an index in `changed` is another one, or given up. */
const logWith = (changed = new Map<number, Buffer | null>()) => ({
  query: async <Row>(text: string, parameters: unknown[] = []): Promise<Row[]> => {
    if (text.includes('log_tile')) {
      const [levels, indices] = parameters as [number[], bigint[]];
      return levels.flatMap((level, n) => {
        const bytes = tiles.get(`${level} ${indices[n]}`);
        return bytes ? [{ level, index: indices[n], bytes }] : [];
      }) as Row[];
    }
    const start = Number(parameters[0]);
    const bundle = Array.from({ length: 256 }, (_, n) => start + n);
    const held = bundle.map((index) =>
      changed.has(index) ? (changed.get(index) as Buffer | null) : entries[index]!,
    );
    // As if it had been sealed in two runs; a run is given up as a whole.
    return [0, 100].map((from, n) => {
      const run = held.slice(from, [100, 256][n]);
      const eventIds = run.map((_, at) => BigInt(at));
      return {
        first: BigInt(start + from),
        eventIds,
        entries: run.includes(null) ? null : formatEntryBundle(run as Buffer[]),
      };
    }) as Row[];
  },
});

let files: Map<string, Uint8Array>;
let written: string[];
let archive: Archive;
beforeEach(() => {
  files = new Map();
  written = [];
  archive = {
    get: async (path) => files.get(path),
    put: async (path, bytes) => {
      written.push(path);
      files.set(path, bytes);
    },
  };
});

test('bundles and tiles in the order of the log, of level 1 when it is full, and nothing that is partial', async () => {
  await archiveBundles(logWith(), archive, 0n, 2n);
  const first = ['tile/entries/000', 'tile/0/000', 'tile/entries/001', 'tile/0/001'];
  expect(written).toEqual(first);
  await archiveBundles(logWith(), archive, 2n, 257n);
  expect(written.filter((path) => !/^tile\/(0|entries)\//.test(path))).toEqual(['tile/1/000']);
  expect(files.size).toBe(2 * 257 + 1);
  expect(files.get('tile/1/000')).toEqual(tiles.get('1 0'));
  expect(files.get(tilePath({ level: 0, index: 256n, width: 256 }))).toEqual(tiles.get('0 256'));
});

test('what is there already and right is not written again', async () => {
  await archiveBundles(logWith(), archive, 0n, 2n);
  written.length = 0;
  await archiveBundles(logWith(), archive, 0n, 3n);
  expect(written).toEqual(['tile/entries/002', 'tile/0/002']);
});

test('what was changed in the archive is put right while the database has it, and refused when not', async () => {
  await archiveBundles(logWith(), archive, 0n, 1n);
  const right = files.get('tile/entries/000')!;
  files.set('tile/entries/000', Uint8Array.of(1));
  const givenUp = logWith(new Map([[5, null]]));
  await expect(archiveBundles(givenUp, archive, 0n, 1n)).rejects.toMatchObject({ code: 'ARCHIVE_DIFFERS' });
  await archiveBundles(logWith(), archive, 0n, 1n);
  expect(files.get('tile/entries/000')).toEqual(right);
  await archiveBundles(givenUp, archive, 0n, 1n);
});

test('an entry that was changed in the database does not get into the archive', async () => {
  const changed = logWith(new Map([[5, Buffer.from('{"n":6}')]]));
  await expect(archiveBundles(changed, archive, 0n, 1n)).rejects.toMatchObject({ code: 'LOG_DIFFERS' });
  expect(written).toEqual([]);
});

test('nor does a tile that was deleted there', async () => {
  const whole = logWith();
  const cut = {
    query: async <Row>(text: string, parameters?: unknown[]): Promise<Row[]> =>
      (await whole.query<{ level?: number }>(text, parameters)).filter(({ level }) => level !== 1) as Row[],
  };
  await expect(archiveBundles(cut, archive, 255n, 256n)).rejects.toMatchObject({ code: 'LOG_DIFFERS' });
  expect(written).toEqual(['tile/entries/255', 'tile/0/255']);
});

test('an archive that does not give back what was written is found out', async () => {
  archive.put = async () => {};
  await expect(archiveBundles(logWith(), archive, 0n, 1n)).rejects.toMatchObject({ code: 'ARCHIVE_DIFFERS' });
});
