/** `openkdh witness serve` as a process: what it answers by HTTP, and that no kill makes it cosign two histories. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  addSignatures,
  CompactRange,
  consistencyProof,
  formatAddCheckpoint,
  growTiles,
  leafHash,
  openCheckpoint,
  parseSignatureLines,
  parseVerifierKey,
  signCheckpoint,
  subtreeHashFromTiles,
  tilePath,
} from '@openkdh/transparency-log';
import { readState } from '../../apps/cli/src/witness/state-file.ts';
import { makeLinkCertificates } from '../../apps/launcher/src/provision.ts';
import { makeLogKey } from '../support/audit-bundle.ts';
import { ownPort } from '../support/ports.ts';
import { WitnessProcess } from '../support/witness.ts';

const folder = mkdtempSync(join(tmpdir(), 'openkdh-witness-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { signer, text: logKey } = makeLogKey('kdh.test');

/** A log in memory that can prove its growth between any two sizes up to its own, 255 at most. */
class Log {
  readonly #leaves: Uint8Array[];

  constructor(name: string, size: number) {
    this.#leaves = Array.from({ length: size }, (_, n) => leafHash(Buffer.from(`${name} ${n}`)));
  }

  async request(oldSize: bigint, size: bigint) {
    const tiles = new Map<string, Uint8Array>();
    const leaves = this.#leaves.slice(0, Number(size));
    for (const { tile, bytes } of growTiles(0n, () => new Uint8Array(), leaves))
      tiles.set(tilePath(tile), bytes);
    const subtreeHash = subtreeHashFromTiles(size, (tile) => tiles.get(tilePath(tile))!);
    const root = CompactRange.read(size, subtreeHash).root();
    const note = await signCheckpoint({ origin: 'kdh.test', size, root }, signer);
    const proof = oldSize === 0n ? [] : consistencyProof(oldSize, size, subtreeHash);
    return { note, body: formatAddCheckpoint({ oldSize, proof, checkpoint: note }) };
  }
}
const log = new Log('kept', 255);
const other = new Log('told to others', 255);

describe('by HTTP', () => {
  let witness: WitnessProcess;
  beforeAll(async () => {
    witness = await WitnessProcess.create(folder, 'auditor.example/http');
    await witness.start(logKey);
  });
  afterAll(() => witness.end('SIGTERM'));

  test('a cosignature that verifies, with the time of now; then 409 and 422, and what it tells', async () => {
    const { note, body } = await log.request(0n, 3n);
    const { status, text } = await witness.post(body);
    expect(status).toBe(200);
    const opened = openCheckpoint(addSignatures(note, parseSignatureLines(text)), {
      origin: 'kdh.test',
      logKeys: [signer.key],
      witnesses: [parseVerifierKey(witness.key)],
      quorum: 1,
    });
    const seconds = Number(opened.signatures[1]!.timestampSeconds);
    expect(Math.abs(seconds - Date.now() / 1_000)).toBeLessThan(60);
    expect(await witness.post((await log.request(0n, 5n)).body)).toEqual({
      status: 409,
      type: 'text/x.tlog.size',
      text: '3\n',
    });
    expect(await witness.post((await other.request(3n, 3n)).body)).toMatchObject({
      status: 409,
      text: '3\n',
    });
    expect(await witness.post((await other.request(3n, 5n)).body)).toMatchObject({ status: 422 });
    expect(witness.log).toMatch(/kdh\.test: FORK: [^\n]*\n[^\n]*kdh\.test: UNPROVEN: /);
  });

  test('another path, another method, a body without end', async () => {
    expect((await fetch(`${witness.url}/`)).status).toBe(404);
    expect((await fetch(`${witness.url}/add-checkpoint`)).status).toBe(405);
    expect(await witness.post(Buffer.alloc(1_000_000, 0x61))).toMatchObject({ status: 413 });
    expect(await witness.post(Buffer.from('hello'))).toMatchObject({ status: 400 });
  });

  test('who sends nothing, or half a request, is let go; others are answered meanwhile', async () => {
    const sockets = ['', 'POST /add-checkpoint HTTP/1.1\r\nhost: x\r\n'].map((text) => {
      const socket = connect(Number(new URL(witness.url).port), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(text);
      socket.resume();
      return once(socket, 'close');
    });
    expect(await witness.post(Buffer.from('hello'))).toMatchObject({ status: 400 });
    await Promise.all(sockets);
  });

  test('a second process on the same state cosigns nothing that the first does not know of', async () => {
    const second = witness.twin(await ownPort());
    await second.start(logKey);
    try {
      expect(await witness.post((await log.request(3n, 4n)).body)).toMatchObject({ status: 200 });
      // The second takes this for growth: it knows of 3 entries only.
      expect(await second.post((await log.request(3n, 5n)).body)).toMatchObject({ status: 500 });
      expect(second.log).toContain('another process has changed it');
    } finally {
      await second.end('SIGKILL');
    }
  });

  test('over TLS, to who trusts its certificate', async () => {
    await makeLinkCertificates(folder);
    const file = (name: string) => join(folder, 'hsm-link', name);
    const secure = await WitnessProcess.create(folder, 'auditor.example/tls');
    await secure.start(logKey, ['--tls-cert', file('server.pem'), '--tls-key', file('server-key.pem')]);
    try {
      const url = new URL('/add-checkpoint', secure.url.replace('http:', 'https:'));
      const statusWith = (options: RequestOptions) =>
        new Promise<number | undefined>((resolve, reject) => {
          const asked = request(url, { method: 'POST', ...options }, ({ statusCode }) => resolve(statusCode));
          asked.on('error', reject).end('hello');
        });
      expect(await statusWith({ ca: readFileSync(file('ca.pem')) })).toBe(400);
      await expect(statusWith({})).rejects.toThrow(/certificate/);
      await expect(secure.post(Buffer.from('hello'))).rejects.toThrow('fetch failed');
    } finally {
      await secure.end('SIGKILL');
    }
  });

  test('SIGTERM ends it, and it says how many cosignatures it gave', async () => {
    const brief = await WitnessProcess.create(folder, 'auditor.example/brief');
    await brief.start(logKey);
    await brief.post((await log.request(0n, 1n)).body);
    expect(await brief.end('SIGTERM')).toBe('exit code 0');
    expect(brief.log).toMatch(/cosigned +1\n/);
  });
});

test('killed again and again while it cosigns: what left it is remembered, and never is there a second root', async () => {
  const witness = await WitnessProcess.create(folder, 'auditor.example/killed');
  let known = 0n; // of the cosignatures that reached us, the largest
  let rounds = 0; // in which it was killed while it cosigned
  try {
    for (let round = 0; round < 6; round++) {
      await witness.start(logKey);
      // What was cosigned before the kill is still so: it asks for growth from there, or further on.
      const { size } = readState(witness.stateFile).state.logs.get('kdh.test')?.latest.checkpoint ?? {
        size: 0n,
      };
      expect(size).toBeGreaterThanOrEqual(known);
      if (known > 0n) {
        expect(await witness.post((await other.request(known, known)).body)).toMatchObject({ status: 409 });
      }
      let killed: Promise<unknown> | undefined;
      for (let next = size; next < 255n; next++) {
        const { body } = await log.request(next, next + 1n);
        const answer = await witness.post(body).catch(() => undefined);
        if (answer === undefined) {
          rounds += 1;
          break;
        }
        expect(answer.status).toBe(200);
        known = next + 1n;
        killed ??= sleep(7 * round).then(() => witness.end('SIGKILL')); // it has cosigned, and goes on
      }
      await killed;
    }
    expect(rounds).toBe(6);
  } finally {
    await witness.end('SIGKILL');
  }
});
