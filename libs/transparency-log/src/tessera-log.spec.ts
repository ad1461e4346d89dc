import { createPrivateKey } from 'node:crypto';
import { expect } from '@jest/globals';
import { publishedBytes, publishedJson, publishedTest } from '../test/published-vectors.ts';
import { hex, localSigner, SampleLog, text, utf8 } from '../test/sample-log.ts';
import {
  CompactRange,
  consistencyProof,
  HistoryVerifier,
  hashesOfTile,
  inclusionProof,
  leafHash,
  openCheckpoint,
  parseEntryBundle,
  parseVerifierKey,
  signCheckpoint,
  subtreeHashFromTiles,
  tilePath,
  verifyGrowth,
  verifyInclusion,
} from './index.ts';

// A log that another implementation wrote: transparency-dev/tessera, testdata/log, of sizes 0 to 15.
const origin = 'example.com/log/testdata';
const sizes = Array.from({ length: 16 }, (_, size) => size);

function published() {
  const key = publishedJson<{ vkey: string; skey_TEST_ONLY: string; leaves_utf8: string[] }>(
    'tessera_testlog/testlog-key.json',
  );
  const trust = { origin, logKeys: [parseVerifierKey(key.vkey)], witnesses: [], quorum: 0 };
  const file = (path: string) => publishedBytes(`tessera_testlog/log/${path}`);
  const notes = sizes.map((size) => file(`checkpoint.${size}`));
  return {
    key,
    notes,
    leaves: key.leaves_utf8.map(utf8),
    checkpoints: notes.map((note) => openCheckpoint(note, trust).checkpoint),
    file,
  };
}

publishedTest('its 16 checkpoints open, and have the roots of its entries', () => {
  const { leaves, checkpoints } = published();
  expect(checkpoints.map(({ size }) => size)).toEqual(sizes.map(BigInt));
  for (const { size, root } of checkpoints) {
    const range = CompactRange.empty();
    for (const leaf of leaves.slice(0, Number(size))) range.append(leafHash(leaf));
    expect(range.hasRoot(root)).toBe(true);
  }
});

publishedTest('we would have signed the same checkpoints', async () => {
  const { key, notes, checkpoints } = published();
  const seed = Buffer.from(key.skey_TEST_ONLY.split('+').slice(4).join('+'), 'base64').subarray(1);
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const signer = localSigner(
    origin,
    'ed25519',
    createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }),
  );
  for (const [size, checkpoint] of checkpoints.entries()) {
    expect(text(await signCheckpoint(checkpoint, signer))).toBe(text(notes[size]!));
  }
});

publishedTest('we would have written the same tiles and bundles', () => {
  const { leaves, file } = published();
  const log = new SampleLog(origin);
  for (const leaf of leaves) {
    log.grow([leaf]);
    const tile = { level: 0, index: 0n, width: log.entries.length } as const;
    expect(hex(log.readTile(tile))).toBe(hex(file(tilePath(tile))));
    expect(hex(log.bundle(tile))).toBe(hex(file(tilePath({ ...tile, level: 'entries' }))));
  }
});

publishedTest('from its tiles: every entry included, every growth consistent, every history whole', () => {
  const { checkpoints, file } = published();
  for (const newer of checkpoints.slice(1)) {
    const width = Number(newer.size);
    const subtreeHash = subtreeHashFromTiles(newer.size, (tile) => file(tilePath(tile)));
    const entries = parseEntryBundle(file(tilePath({ level: 'entries', index: 0n, width })));
    for (const [n, entry] of entries.entries()) {
      const index = BigInt(n);
      const proof = inclusionProof(index, newer.size, subtreeHash);
      verifyInclusion({ index, size: newer.size, root: newer.root, leafHash: leafHash(entry), proof });
    }
    for (const older of checkpoints.slice(0, width + 1)) {
      verifyGrowth(
        older,
        newer,
        older.size === 0n ? [] : consistencyProof(older.size, newer.size, subtreeHash),
      );
      const history = new HistoryVerifier(newer, { previous: older });
      history.add(entries, hashesOfTile(file(tilePath({ level: 0, index: 0n, width })), width));
      history.end();
    }
  }
});
