/**
 * An auditor's work on a large log: `openkdh audit verify` over a bundle of realistic entries, and the proof of one entry from
 * the files of that bundle. docs/performance.md, "The log".
 *
 *   npx tsc -b && node test/bench/audit-verify.mjs [--entries 1000000]
 *
 * Floors: a million entries in 60 s, with at most 10 MB more than for a tenth of them; a proof made and verified in 10 ms (median). Exits
 * with 1 below a floor. The heap of Node is held small, so that what it has put off collecting does not pass for what is needed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  CompactRange,
  canonicalJson,
  formatEntryBundle,
  formatVerifierKey,
  growTiles,
  inclusionProof,
  inclusionTiles,
  leafHash,
  parseEntryBundle,
  signCheckpoint,
  subtreeHashFromTiles,
  tilePath,
  verifierKey,
  verifyInclusion,
} from '@openkdh/transparency-log';
import { eventsOfLoad } from './loads/events.mjs';

const { values: options } = parseArgs({ options: { entries: { type: 'string', default: '1000000' } } });
const most = Number(options.entries);
const folder = mkdtempSync(join(tmpdir(), 'openkdh-bench-'));
const openkdh = join(import.meta.dirname, '../../apps/cli/openkdh.js');

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const key = verifierKey('kdh.bench', 'ecdsa-sha256', publicKey.export({ format: 'der', type: 'spki' }));
const signer = { key, sign: async (data) => sign('sha256', data, privateKey) };

/** The entries of one load after another. */
function* entries() {
  for (let attempt = 1; ; attempt++) {
    for (const [n, event] of eventsOfLoad(attempt).entries()) {
      yield canonicalJson({
        v: 1,
        id: String(attempt * 10 + n),
        time: '2026-11-24T12:00:00.123456Z',
        ...event,
      });
    }
  }
}

/** Writes the bundle of the first `count` entries, tile by tile. */
async function writeBundle(bundle, count) {
  const write = (path, bytes) => {
    mkdirSync(dirname(join(bundle, path)), { recursive: true });
    writeFileSync(join(bundle, path), bytes);
  };
  const files = new Map(); // of tiles above level 0, and the last ones
  const readTile = (tile) => files.get(tilePath(tile));
  const head = CompactRange.empty();
  const source = entries();
  let bytes = 0;
  while (head.size < count) {
    const held = Array.from({ length: Math.min(256, count - Number(head.size)) }, () => source.next().value);
    const leaves = held.map(leafHash);
    for (const { tile, bytes } of growTiles(head.size, readTile, leaves)) {
      files.set(tilePath(tile), bytes);
      if (tile.level !== 0) continue;
      write(tilePath(tile), bytes);
      write(tilePath({ ...tile, level: 'entries' }), formatEntryBundle(held));
    }
    for (const leaf of leaves) head.append(leaf);
    for (const entry of held) bytes += entry.length;
  }
  const checkpoint = { origin: 'kdh.bench', size: head.size, root: head.root() };
  write('bundle.json', '{"content":"whole","format":1}');
  write('key', `${formatVerifierKey(key)}\n`);
  write('checkpoint', await signCheckpoint(checkpoint, signer));
  return { checkpoint, readTile, entryBytes: bytes / count };
}

/** Runs `openkdh audit verify`; time, processor time and the most memory that it held. */
async function verify(bundle) {
  const started = process.hrtime.bigint();
  const args = [openkdh, 'audit', 'verify', bundle, '--key', formatVerifierKey(key), '--json'];
  const heap = ['--max-old-space-size=16', '--max-semi-space-size=2']; // MB
  const child = spawn(process.execPath, [...heap, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let answer = '';
  child.stdout.on('data', (data) => {
    answer += data;
  });
  let [megabytes, cpuSeconds] = [0, 0];
  const watch = setInterval(() => {
    try {
      const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      megabytes = Math.max(megabytes, Number(kilobytes ?? 0) / 1_000);
      const [, , , , , , , , , , , user, system] = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ');
      cpuSeconds = Math.max(cpuSeconds, (Number(user) + Number(system)) / 100);
    } catch {
      // It has just ended.
    }
  }, 20);
  const [exitCode] = await once(child, 'close');
  clearInterval(watch);
  assert.equal(exitCode, 0);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { answer: JSON.parse(answer), seconds, cpuSeconds, megabytes };
}

let missed = 0;
function report(line, holds) {
  if (!holds) missed++;
  console.log(`${line}${holds ? '' : '  BELOW THE FLOOR'}`);
}

try {
  console.log(`node ${process.version}, load average ${loadavg()[0].toFixed(1)}`);
  let tenth = 0;
  let large;
  for (const count of [most / 10, most]) {
    const bundle = join(folder, String(count));
    const written = await writeBundle(bundle, count);
    const { answer, seconds, cpuSeconds, megabytes } = await verify(bundle);
    assert.equal(answer.entries, count);
    assert.equal(answer.attempts.ended.CONFIRMED, Math.floor(count / eventsOfLoad(1).length));
    const more = megabytes - tenth;
    report(
      `${count} entries of ${Math.round(written.entryBytes)} bytes verified in ${seconds.toFixed(1)} s ` +
        `(${cpuSeconds.toFixed(1)} s of processor time), at most ${Math.round(megabytes)} MB`,
      seconds <= 60 && (tenth === 0 || more <= 10),
    );
    tenth ||= megabytes;
    large = { bundle, ...written };
  }

  // A proof: the tiles that it needs are read from the disk each time; those above level 0 a bundle does not have.
  const { bundle, checkpoint, readTile } = large;
  const { size, root } = checkpoint;
  const read = (tile) => (tile.level === 0 ? readFileSync(join(bundle, tilePath(tile))) : readTile(tile));
  const times = [];
  for (let n = 0; n < 500; n++) {
    const index = BigInt((n * 7_919_999) % Number(size));
    const tile = inclusionTiles(index, size)[0];
    const entry = parseEntryBundle(readFileSync(join(bundle, tilePath({ ...tile, level: 'entries' }))))[
      Number(index % 256n)
    ];
    const began = process.hrtime.bigint();
    const proof = inclusionProof(index, size, subtreeHashFromTiles(size, read));
    verifyInclusion({ index, size, leafHash: leafHash(entry), root, proof });
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
  times.sort((a, b) => a - b);
  const [median, p99] = [times[250], times[494]];
  report(
    `a proof among ${size} entries, made from tiles and verified: ${median.toFixed(2)} ms median, ${p99.toFixed(2)} ms p99`,
    median <= 10, // p99 is that of a shared machine
  );
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = missed === 0 ? 0 : 1;
