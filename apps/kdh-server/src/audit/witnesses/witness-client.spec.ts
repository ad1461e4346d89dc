import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import {
  cosignCheckpoint,
  emptyRoot,
  formatSignatureLine,
  type NoteSigner,
  type SignatureType,
  signCheckpoint,
  verifierKey,
} from '@openkdh/transparency-log';
import { askWitness, readReply, type WitnessReply } from './witness-client.ts';

function newSigner(name: string, type: SignatureType): NoteSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = verifierKey(name, type, publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  return { key, sign: async (data) => sign(null, data, privateKey) };
}
const log = newSigner('kdh.test', 'ed25519');
const witness = newSigner('auditor.example/w', 'cosignature/v1');
const note = await signCheckpoint({ origin: 'kdh.test', size: 0n, root: emptyRoot() }, log);
const line = async (by: NoteSigner) => formatSignatureLine(await cosignCheckpoint(note, by, 1_764_000_000n));
const about = { note, key: witness.key, logKey: log.key };

describe('answers by their status', () => {
  test('200 with a cosignature of this witness, among others', async () => {
    const text = (await line(newSigner('other', 'cosignature/v1'))) + (await line(witness));
    expect(readReply(200, text, about)).toMatchObject({
      kind: 'cosigned',
      timestampSeconds: 1_764_000_000n,
      signature: { name: 'auditor.example/w' },
    });
  });

  const refused: [what: string, status: number, text: () => string | Promise<string>][] = [
    ['200 with a cosignature of another', 200, () => line(newSigner('other', 'cosignature/v1'))],
    [
      '200 with one of another key of that name',
      200,
      () => line(newSigner('auditor.example/w', 'cosignature/v1')),
    ],
    [
      '200 with one that does not verify',
      200,
      async () =>
        formatSignatureLine({
          ...(await cosignCheckpoint(note, witness, 1n)),
          signature: new Uint8Array(72),
        }),
    ],
    ['200 with nothing', 200, () => ''],
    ['409 without a size', 409, () => 'conflict'],
    ['409 with a size that is none', 409, () => '01\n'],
    ['400', 400, () => ''],
    ['403', 403, () => ''],
    ['404', 404, () => ''],
    ['204', 204, () => ''],
  ];
  test.each(refused)('%s: refused', async (_, status, text) => {
    expect(readReply(status, await text(), about)).toMatchObject({ kind: 'refused' });
  });

  test('409 with a size, 422, and a machine in trouble', () => {
    expect(readReply(409, '12\n', about)).toEqual({ kind: 'size', size: 12n });
    expect(readReply(422, 'no', about)).toEqual({ kind: 'unproven' });
    expect(readReply(503, '', about)).toMatchObject({ kind: 'away' });
  });
});

describe('over the network', () => {
  /** What is said of a server that answers so. */
  async function askOf(answer: RequestListener): Promise<WitnessReply> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const url = new URL(`http://127.0.0.1:${port}/add-checkpoint`);
      const submission = { oldSize: 0n, proof: [], note };
      return await askWitness({ url, key: witness.key, keyText: '' }, submission, log.key);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  test('a cosignature', async () => {
    const text = await line(witness);
    let asked = '';
    const reply = await askOf((request, response) => {
      request.on('data', (data) => {
        asked += data;
      });
      request.on('end', () => response.end(text));
    });
    expect(reply).toMatchObject({ kind: 'cosigned' });
    expect(asked).toBe(`old 0\n\n${Buffer.from(note)}`);
  });

  test.each<[what: string, answer: RequestListener]>([
    ['one that hangs up', (request) => request.socket.destroy()],
    [
      'one that sends elsewhere',
      (_, response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end(),
    ],
    ['an answer without end', (_, response) => response.end(Buffer.alloc(1_000_000))],
    ['what is no HTTP', (request) => request.socket.end('hello')],
  ])('%s is away', async (_, answer) => {
    expect(await askOf(answer)).toMatchObject({ kind: 'away', detail: expect.stringMatching(/./) });
  });
});
