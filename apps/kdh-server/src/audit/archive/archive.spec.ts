import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatEntryBundle, leafHash } from '@openkdh/transparency-log';
import { FakeS3 } from '../../../../../test/support/fake-s3.ts';
import { type Archive, entriesPath, isBundleOf, openArchive } from './archive.ts';
import { withArchived } from './archived-entries.ts';

const folder = mkdtempSync(join(tmpdir(), 'openkdh-archive-'));
const s3 = new FakeS3();
let addresses: Record<'a folder' | 'S3', string>;

beforeAll(async () => {
  addresses = { 'a folder': `file://${folder}/not/there/yet`, S3: await s3.listen() };
  Object.assign(process.env, s3.credentials);
});
afterAll(async () => {
  await s3.close();
  rmSync(folder, { recursive: true });
});

const path = entriesPath(1_234_067n);
const entries = Array.from({ length: 256 }, (_, n) => Buffer.from(`{"n":${n}}`));
const bundle = formatEntryBundle(entries);
const hashes = Buffer.concat(entries.map(leafHash));

describe.each(['a folder', 'S3'] as const)('an archive in %s', (kind) => {
  let archive: Archive;
  beforeAll(() => {
    archive = openArchive(addresses[kind]);
  });

  test('has nothing at first', async () => {
    expect(await archive.get(path)).toBeUndefined();
  });

  test('gives back what was put, also in place of something else', async () => {
    for (const bytes of [Uint8Array.of(1), bundle]) {
      await archive.put(path, bytes);
      expect(Buffer.from((await archive.get(path))!)).toEqual(Buffer.from(bytes));
    }
  });
});

test('the files are where tlog-tiles says, under the prefix', () => {
  expect(readdirSync(join(folder, 'not/there/yet/tile/entries/x001/x234'))).toEqual(['067']);
  expect([...s3.objects.keys()]).toEqual(['a/b/tile/entries/x001/x234/067']);
});

test('S3 refuses who has another secret, and a store that is not there is away', async () => {
  process.env['AWS_SECRET_ACCESS_KEY'] = 'another';
  const stranger = openArchive(addresses.S3);
  await expect(stranger.get(path)).rejects.toMatchObject({
    code: 'ARCHIVE_AWAY',
    message: expect.stringContaining('403'),
  });
  await expect(stranger.put(path, bundle)).rejects.toMatchObject({ code: 'ARCHIVE_AWAY' });
  const nowhere = openArchive('s3://log?region=x&endpoint=http://127.0.0.1:9');
  await expect(nowhere.get(path)).rejects.toMatchObject({ code: 'ARCHIVE_AWAY' });
});

test('a folder that is a file is away', async () => {
  writeFileSync(join(folder, 'file'), '');
  const archive = openArchive(`file://${folder}/file`);
  await expect(archive.get(path)).rejects.toMatchObject({ code: 'ARCHIVE_AWAY' });
  await expect(archive.put(path, bundle)).rejects.toMatchObject({ code: 'ARCHIVE_AWAY' });
});

test('a bundle is the one of its tile, and no other is', () => {
  expect(isBundleOf(hashes, bundle)).toBe(true);
  for (let at = 0; at < bundle.length; at += 1) {
    const changed = Uint8Array.from(bundle);
    changed[at]! ^= 1;
    expect([at, isBundleOf(hashes, changed)]).toEqual([at, false]);
  }
  for (const length of [0, 1, bundle.length - 1]) {
    expect(isBundleOf(hashes, bundle.subarray(0, length))).toBe(false);
  }
});

describe('entries that the database has given up', () => {
  const held = (bytes?: Uint8Array): Archive => ({ get: async () => bytes, put: async () => {} });
  const stored = [
    { index: 255n, entry: Buffer.from('kept') },
    { index: 256n, entry: null },
    { index: 511n, entry: null },
  ];

  test('come from the archive, at their places', async () => {
    const leaves = await withArchived(held(bundle), stored);
    expect(leaves.map(({ index, entry }) => [index, entry.toString()])).toEqual([
      [255n, 'kept'],
      [256n, '{"n":0}'],
      [511n, '{"n":255}'],
    ]);
  });

  test.each([
    ['no archive', undefined],
    ['an archive without them', held()],
    ['a file that is no bundle', held(Uint8Array.of(0xff))],
    ['a bundle that is too short', held(formatEntryBundle(entries.slice(0, 255)))],
  ])('%s: LOG_ARCHIVE_LACKS', async (_, archive) => {
    await expect(withArchived(archive, stored)).rejects.toMatchObject({ code: 'LOG_ARCHIVE_LACKS' });
  });

  test('an archive that is away: 503', async () => {
    const away = openArchive(`file://${folder}/file`);
    await expect(withArchived(away, stored)).rejects.toMatchObject({ status: 503, code: 'ARCHIVE_AWAY' });
  });

  test('what the database has needs no archive', async () => {
    expect(await withArchived(undefined, stored.slice(0, 1))).toEqual(stored.slice(0, 1));
  });
});
