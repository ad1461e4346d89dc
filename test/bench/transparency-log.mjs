/**
 * The transparency log: hashes, sealing, proofs, and the verification of a million entries in constant memory.
 * Everything is checked before it is timed.
 *
 *   npx tsc -b libs/transparency-log && node test/bench/transparency-log.mjs
 *
 * Floors: node hashes against a hash object for each, 1.5; 20,000 entries sealed per second; an inclusion proof from tiles
 * in 10 ms; a million entries in 60 s with 64 MB more than at the start. Exits with 1 below a floor.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  CompactRange,
  growTiles,
  HistoryVerifier,
  inclusionProof,
  leafHash,
  nodeHash,
  subtreeHashFromTiles,
  tilePath,
  verifyInclusion,
} from '@openkdh/transparency-log';

const entryBytes = 500;
const million = 1_000_000;

/** Entry n: 500 bytes that differ. */
function entryAt(n) {
  const entry = Buffer.alloc(entryBytes, 0x61);
  entry.write(String(n));
  return entry;
}

/** The same hashes with one hash object for each call. */
const peer = {
  leafHash: (entry) => createHash('sha256').update(Uint8Array.of(0)).update(entry).digest(),
  nodeHash: (left, right) =>
    createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest(),
};

function perSecond(call, milliseconds) {
  const start = process.hrtime.bigint();
  let calls = 0;
  let elapsed = 0;
  do {
    for (let i = 0; i < 200; i++) call(calls++);
    elapsed = Number(process.hrtime.bigint() - start) / 1e6;
  } while (elapsed < milliseconds);
  return (calls / elapsed) * 1000;
}

let missed = 0;
/** Prints a line; a value on the wrong side of its floor makes the run fail. */
function report(line, holds) {
  if (!holds) missed++;
  console.log(`${line}${holds ? '' : '  BELOW THE FLOOR'}`);
}

console.log(`node ${process.version}, ${process.arch}`);

const sample = Array.from({ length: 256 }, (_, n) => entryAt(n));
const leaves = sample.map(leafHash);
for (const [n, entry] of sample.entries()) {
  assert.equal(Buffer.compare(leaves[n], peer.leafHash(entry)), 0);
  assert.equal(Buffer.compare(nodeHash(leaves[0], leaves[n]), peer.nodeHash(leaves[0], leaves[n])), 0);
}
let [leafRate, nodeRate, peerRate] = [0, 0, 0];
for (let round = 0; round < 20; round++) {
  leafRate = Math.max(
    leafRate,
    perSecond((n) => leafHash(sample[n & 255]), 20),
  );
  nodeRate = Math.max(
    nodeRate,
    perSecond((n) => nodeHash(leaves[0], leaves[n & 255]), 20),
  );
  peerRate = Math.max(
    peerRate,
    perSecond((n) => peer.nodeHash(leaves[0], leaves[n & 255]), 20),
  );
}
const thousands = (value) => `${Math.round(value / 1000)} k/s`;
report(`leaf hashes of ${entryBytes} bytes: ${thousands(leafRate)}`, true);
const ratio = nodeRate / peerRate;
report(
  `node hashes: ${thousands(nodeRate)}; a hash object each: ${thousands(peerRate)}; ratio ${ratio.toFixed(1)}, floor 1.5`,
  ratio >= 1.5,
);

// Sealing: batches of a thousand, each with its tiles and its root, as a sealer does it.
const files = new Map();
const readTile = (tile) => files.get(tilePath(tile));
const sealed = CompactRange.empty();
const batches = Array.from({ length: 100 }, (_, n) =>
  Array.from({ length: 1000 }, (_, m) => entryAt(n * 1000 + m)),
);
const start = process.hrtime.bigint();
for (const batch of batches) {
  const hashes = batch.map(leafHash);
  for (const { tile, bytes } of growTiles(sealed.size, readTile, hashes)) files.set(tilePath(tile), bytes);
  for (const hash of hashes) sealed.append(hash);
  sealed.root();
}
const sealing = (100_000 / Number(process.hrtime.bigint() - start)) * 1e9;
report(`sealing: ${thousands(sealing)} entries, floor 20 k/s`, sealing >= 20_000);

const size = sealed.size;
const subtreeHash = subtreeHashFromTiles(size, readTile);
const root = sealed.root();
const prove = (n) => inclusionProof(BigInt((n * 7919) % 100_000), size, subtreeHash);
const verifyProof = (n, proof) => {
  const index = (n * 7919) % 100_000;
  verifyInclusion({ index: BigInt(index), size, leafHash: leafHash(entryAt(index)), root, proof });
};
const proofs = Array.from({ length: 200 }, (_, n) => prove(n));
for (const [n, proof] of proofs.entries()) verifyProof(n, proof);
const proving = perSecond(prove, 500);
const verifying = perSecond((n) => verifyProof(n % 200, proofs[n % 200]), 500);
report(
  `inclusion proofs of ${size} entries: made from tiles ${(1000 / proving).toFixed(2)} ms each, floor 10 ms; ` +
    `verified ${thousands(verifying)}`,
  1000 / proving <= 10,
);

// A million entries: first the checkpoint's root, by the same range that the log uses, then the verifier.
const head = CompactRange.empty();
for (let n = 0; n < million; n++) head.append(leafHash(entryAt(n)));
const checkpoint = { origin: 'bench', size: head.size, root: head.root() };
globalThis.gc?.();
const before = process.memoryUsage();
let peak = 0;
const history = new HistoryVerifier(checkpoint);
const began = process.hrtime.bigint();
for (let first = 0; first < million; first += 256) {
  const entries = Array.from({ length: Math.min(256, million - first) }, (_, n) => entryAt(first + n));
  history.add(entries, entries.map(leafHash)); // the published hashes: made here, read from tiles elsewhere
  if (first % 25_600 === 0) {
    const { heapUsed, external } = process.memoryUsage();
    peak = Math.max(peak, heapUsed + external - before.heapUsed - before.external);
  }
}
history.end();
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const megabytes = Math.max(0, peak) / 1e6;
report(
  `a million entries verified in ${seconds.toFixed(1)} s, floor 60 s, with ${megabytes.toFixed(0)} MB more, floor 64 MB`,
  seconds <= 60 && megabytes <= 64,
);
process.exitCode = missed === 0 ? 0 : 1;
