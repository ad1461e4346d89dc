import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  CompactRange,
  canonicalJson,
  formatEntryBundle,
  formatVerifierKey,
  leafHash,
  signCheckpoint,
  verifierKey,
} from '@openkdh/transparency-log';
import { bundleFromArchive } from './from-archive.ts';
import { verifyBundle } from './verify.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const logKey = verifierKey(
  'kdh.example.1',
  'ed25519',
  publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
);
const entries = Array.from({ length: 512 }, (_, n) =>
  canonicalJson({
    v: 1,
    id: String(n + 1),
    time: '2026-11-24T09:00:00.000000Z',
    type: 'test.made',
    actor: 'test',
    body: { n },
  }),
);

describe('a bundle made of the archive of a log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-from-archive-'));
  const archive = join(folder, 'archive');
  const key = formatVerifierKey(logKey);
  let made = 0;

  const archived = (path: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(archive, path)), { recursive: true });
    writeFileSync(join(archive, path), bytes);
  };
  /** Exports up to a checkpoint over the first `size` entries; returns the bundle, and the outcome. */
  const exportTo = async (size: number) => {
    const root = CompactRange.empty();
    for (const entry of [...entries, ...entries].slice(0, size)) root.append(leafHash(entry));
    const checkpoint = join(folder, 'checkpoint');
    writeFileSync(
      checkpoint,
      await signCheckpoint(
        { origin: logKey.name, size: BigInt(size), root: root.root() },
        { key: logKey, sign: async (data: Uint8Array) => sign(null, data, privateKey) },
      ),
    );
    const out = join(folder, `bundle-${made++}`);
    return { out, ...(await bundleFromArchive.run({ archive, checkpoint, key, out })) };
  };
  const verdict = async (size: number) => {
    const { out: bundle, exitCode } = await exportTo(size);
    expect(exitCode).toBe(0);
    return (await verifyBundle.run({ bundle, key })).exitCode;
  };

  beforeAll(() => {
    for (const [tile, first] of [
      ['000', 0],
      ['001', 256],
    ] as const) {
      const ours = entries.slice(first, first + 256);
      archived(`tile/entries/${tile}`, formatEntryBundle(ours));
      archived(`tile/0/${tile}`, Buffer.concat(ours.map((entry) => leafHash(entry))));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([1, 255, 256, 257, 300, 511, 512])(
    'up to a checkpoint of %d entries it verifies',
    async (size) => {
      expect(await verdict(size)).toBe(0);
    },
  );

  test('a checkpoint that the archive does not reach: the tail is cut', async () => {
    expect(await verdict(600)).toBe(21);
  });

  test('an entry that was changed in the archive is altered', async () => {
    const path = 'tile/entries/001';
    const right = readFileSync(join(archive, path));
    const altered = Buffer.from(right);
    altered[altered.length - 3]! ^= 1;
    archived(path, altered);
    expect([await verdict(512), await verdict(300)]).toEqual([18, 0]);
    archived(path, right);
  });

  test('what is no bundle of entries cannot be cut', async () => {
    const path = 'tile/entries/001';
    const right = readFileSync(join(archive, path));
    archived(path, right.subarray(0, 100));
    expect(await exportTo(300)).toMatchObject({ exitCode: 16, refusal: { code: 'TLOG_MALFORMED' } });
    archived(path, right);
  });
});
