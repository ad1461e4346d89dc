import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import {
  addSignatures,
  type Checkpoint,
  CompactRange,
  formatAddCheckpoint,
  leafHash,
  type NoteSigner,
  openCheckpoint,
  parseSignatureLines,
  signCheckpoint,
  verifierKey,
} from '@openkdh/transparency-log';
import { createState, readState, StateFile } from './state-file.ts';
import { Witness } from './witness.ts';

const folder = mkdtempSync(join(tmpdir(), 'openkdh-witness-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The key of a log, P-256 like that of a KDH. */
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const log: NoteSigner = {
  key: verifierKey('kdh.test', 'ecdsa-sha256', publicKey.export({ format: 'der', type: 'spki' })),
  sign: async (data) => sign('sha256', data, privateKey),
};

const leaf = (n: number) => leafHash(Buffer.from(String(n)));
/** A log of one or two entries: so small that its proofs can be seen. */
function checkpointOf(...leaves: number[]): Checkpoint {
  const range = CompactRange.empty();
  for (const n of leaves) range.append(leaf(n));
  return { origin: 'kdh.test', size: range.size, root: range.root() };
}
const post = async (checkpoint: Checkpoint, oldSize: bigint, proof: Uint8Array[] = []) =>
  formatAddCheckpoint({ oldSize, proof, checkpoint: await signCheckpoint(checkpoint, log) });

let made = 0;
function newWitness() {
  const path = join(folder, `state-${made++}`);
  createState(path, 'auditor.example/w');
  const lines: string[] = [];
  const start = () =>
    new Witness({
      file: new StateFile(path),
      logKeys: [log.key],
      report: (line) => lines.push(line),
      now: () => 1_764_000_000n,
    });
  return { path, lines, start, key: readState(path).signer.key };
}

test('the first checkpoint, and growth, get a cosignature with the time; a restart changes nothing', async () => {
  const { path, start, lines, key } = newWitness();
  await start().addCheckpoint(await post(checkpointOf(1), 0n));
  const body = await post(checkpointOf(1, 2), 1n, [leaf(2)]);
  const { status, text } = await start().addCheckpoint(body);
  expect(status).toBe(200);
  const note = addSignatures(
    readState(path).state.logs.get('kdh.test')!.latest.note,
    parseSignatureLines(text),
  );
  const trust = { origin: 'kdh.test', logKeys: [log.key], witnesses: [key], quorum: 1 };
  expect(openCheckpoint(note, trust)).toMatchObject({
    checkpoint: { size: 2n },
    signatures: [{ key: log.key }, { key, timestampSeconds: 1_764_000_000n }],
  });
  expect(lines).toEqual(['kdh.test: the first checkpoint, of 1 entries, is cosigned']);
});

test('409 names the size that it has cosigned, as C2SP tlog-witness wants it', async () => {
  const witness = newWitness().start();
  await witness.addCheckpoint(await post(checkpointOf(1), 0n));
  expect(await witness.addCheckpoint(await post(checkpointOf(1, 2), 0n))).toEqual({
    status: 409,
    type: 'text/x.tlog.size',
    text: '1\n',
  });
});

describe('what contradicts a cosigned checkpoint', () => {
  test('a fork: refused, told once, and the first one is kept through a restart', async () => {
    const { path, start, lines } = newWitness();
    await start().addCheckpoint(await post(checkpointOf(1), 0n));
    const forked = await post(checkpointOf(9), 1n);
    const restarted = start();
    for (let n = 0; n < 3; n++) expect(await restarted.addCheckpoint(forked)).toMatchObject({ status: 409 });
    await restarted.addCheckpoint(await post(checkpointOf(8), 1n));
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^kdh\.test: FORK: .*two checkpoints of 1 entries/),
      expect.stringMatching(/FORK/),
    ]);
    const { latest, fork } = readState(path).state.logs.get('kdh.test')!;
    const trust = { origin: 'kdh.test', logKeys: [log.key], witnesses: [], quorum: 0 };
    expect(openCheckpoint(latest.note, trust).checkpoint).toEqual(checkpointOf(1));
    expect(openCheckpoint(fork!, trust).checkpoint).toEqual(checkpointOf(9));
  });

  test('a log made anew, that has outgrown what was cosigned: UNPROVEN, and kept', async () => {
    const { path, start, lines } = newWitness();
    const witness = start();
    await witness.addCheckpoint(await post(checkpointOf(1), 0n));
    expect(await witness.addCheckpoint(await post(checkpointOf(8, 9), 1n, [leaf(9)]))).toMatchObject({
      status: 422,
    });
    expect(lines[1]).toMatch(/UNPROVEN: its 2 entries were not shown to continue the 1/);
    expect(readState(path).state.logs.get('kdh.test')).toMatchObject({ unproven: expect.anything() });
    expect(await witness.addCheckpoint(await post(checkpointOf(1, 2), 1n, [leaf(2)]))).toMatchObject({
      status: 200,
    });
  });

  test('a log restored from a backup: OLDER', async () => {
    const { start, lines } = newWitness();
    const witness = start();
    await witness.addCheckpoint(await post(checkpointOf(1, 2), 0n));
    expect(await witness.addCheckpoint(await post(checkpointOf(1), 0n))).toMatchObject({
      status: 409,
      text: '2\n',
    });
    expect(lines[1]).toMatch(/OLDER: it shows 1 entries, after 2 were cosigned/);
  });

  test('what anybody can send is not told', async () => {
    const { start, lines } = newWitness();
    const witness = start();
    for (const body of [
      Buffer.from('hello'),
      await post({ ...checkpointOf(1), origin: 'other' }, 0n),
      await post(checkpointOf(1), 9n),
    ]) {
      expect((await witness.addCheckpoint(body)).status).toBeGreaterThanOrEqual(400);
    }
    expect(lines).toEqual([]);
  });
});

test('requests at the same time: never two roots of one size', async () => {
  const { start } = newWitness();
  const witness = start();
  const bodies = await Promise.all([1, 2, 3, 4].map((n) => post(checkpointOf(n), 0n)));
  const answers = await Promise.all(bodies.map((body) => witness.addCheckpoint(body)));
  expect(answers.map(({ status }) => status)).toEqual([200, 409, 409, 409]);
});

test('a state that cannot be written: no cosignature', async () => {
  const { path, start } = newWitness();
  const witness = start();
  rmSync(path);
  await expect(witness.addCheckpoint(await post(checkpointOf(1), 0n))).rejects.toThrow(/ENOENT/);
  expect(witness.cosigned).toBe(0);
});
