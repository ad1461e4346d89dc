import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  CompactRange,
  canonicalJson,
  commitmentOf,
  formatVerifierKey,
  growTiles,
  inclusionProof,
  type JsonValue,
  leafHash,
  parseReceipt,
  signCheckpoint,
  subtreeHashFromTiles,
  type Tile,
  tilePath,
  verifierKey,
  verifyReceipt,
} from '@openkdh/transparency-log';
import decodeQR from 'qr/decode.js';
import { evidenceBundle } from './evidence.ts';
import { evidencePdf } from './evidence-pdf.ts';
import { type AttemptHistory, actorsIn, receiptOf, standaloneReceiptOf } from './receipts.ts';
import { qrModules, qrSvg } from './receipts-qr.ts';
import { tarOf } from './tar.ts';
import type { Transfer } from './transfers.schemas.ts';

const attemptId = '019ab3f2-7c11-7a40-8d2e-0f4b5a6c7d8e';
const terminalId = '019ab3f0-0000-7000-8000-000000000001';
const hash = (text: string) => createHash('sha256').update(text).digest('hex').toUpperCase();
/** What a load writes: the state that each move reached, and what else its event says. */
const moves: [state: string, body: Record<string, JsonValue>][] = [
  ['requested', { number: 2, rule: 'profile-requires-no-approval' }],
  ['ksn_reserved', { version: 3 }],
  ['deriving', { version: 4 }],
  ['dispatchable', { through: ['WRAPPED'], version: 6 }],
  ['sent', { version: 7 }],
  ['confirmed', { through: ['RESULT_RECEIVED'], version: 9 }],
];

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const key = verifierKey(
  'kdh.example.1',
  'ed25519',
  publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
);
const signer = { key, sign: async (data: Uint8Array) => sign(null, data, privateKey) };
const trust = { origin: 'kdh.example.1', logKeys: [key], witnesses: [], quorum: 0 };

/** A log of 1,000 entries of which the last six are those of one attempt. */
async function historyOfAttempt(): Promise<AttemptHistory> {
  const filler = Array.from({ length: 994 }, (_, n) => Buffer.from(`{"n":${n}}`));
  const entries = moves.map(([state, body], n) =>
    Buffer.from(
      canonicalJson({
        v: 1,
        id: String(5_000 + n),
        time: `2026-11-24T09:00:00.${n}00000Z`,
        type: `attempt.${state}`,
        actor: n === 5 ? 'terminal:SIM-000001' : 'node:kdh-1',
        terminal: terminalId,
        attempt: attemptId,
        body,
      }),
    ),
  );
  const hashes = [...filler, ...entries].map(leafHash);
  const tiles = new Map(
    [...growTiles(0n, () => new Uint8Array(), hashes)].map(({ tile, bytes }) => [tilePath(tile), bytes]),
  );
  const subtreeHash = subtreeHashFromTiles(1_000n, (tile: Tile) => tiles.get(tilePath(tile))!);
  const root = CompactRange.read(1_000n, subtreeHash).root();
  const checkpoint = Buffer.from(await signCheckpoint({ origin: trust.origin, size: 1_000n, root }, signer));
  return {
    checkpoint,
    size: 1_000n,
    entries: entries.map((entry, n) => {
      const index = BigInt(994 + n);
      return { index, entry, proof: inclusionProof(index, 1_000n, subtreeHash) };
    }),
  };
}

const transfer: Transfer = {
  attemptId,
  loadId: '019ab3f2-7c10-7000-8000-000000000001',
  attemptNumber: 2,
  kind: 'KEYS',
  state: 'CONFIRMED',
  reasonCode: null,
  requestedBy: 'operator:Zoë Łukasz',
  reason: 'repair return, seal 4711 broken at receipt',
  requestedAt: '2026-11-24T09:00:00.000Z',
  approvals: [
    { person: 'operator:Γιώργος', role: 'approver', authentication: 'token', at: '2026-11-24T09:00:00.100Z' },
    { person: 'operator:bob', role: 'approver', authentication: 'token', at: '2026-11-24T09:00:00.150Z' },
  ],
  campaignId: null,
  runId: null,
  station: 'bench 1',
  terminal: {
    id: terminalId,
    serial: 'SIM-000001',
    model: 'SIM-1',
    hardware: '1.0',
    firmware: '2.4.1',
    tlsCertificateFingerprint: hash('tls'),
    krdCertificateFingerprint: hash('krd'),
    signingCertificateFingerprint: hash('signing'),
  },
  profile: { id: terminalId, name: 'PIN and data', version: 1 },
  keys: ['PIN', 'DATA', 'MAC'].map((slot, n) => ({
    slot,
    header: 'D0144B1AX00N0200',
    usage: 'B1',
    algorithm: 'A128',
    keyBlockVersion: 'D',
    wrapMethod: 'TR-31' as const,
    wrappedUnder: 'KBPK-AES',
    kbpkKcv: 'A1B2C3',
    bdkId: terminalId,
    bdkName: 'PIN acquirer 7',
    bdkKcv: '0F1E2D',
    ksn: `1234567800000${n}0100000000`,
    ksnBurned: false,
    sha256: hash(slot),
    kcvExpected: '9A8B7C',
    kcvReported: '9A8B7C',
    resultCode: 0,
  })),
  hsm: 'payShield 10K 1500-1000 (soft HSM)',
  node: 'kdh-1',
  sessionEpochs: [4],
  nonces: { terminal: null, kdh: hash('nonce').slice(0, 32) },
  planHash: hash('plan'),
  times: {},
  expiresAt: '2026-12-01T09:00:00.000Z',
};

describe('what proves a transfer', () => {
  let history: AttemptHistory;
  beforeAll(async () => {
    history = await historyOfAttempt();
  });

  test('each entry has a receipt that verifies, for it and for no other', () => {
    for (const [n, entry] of history.entries.entries()) {
      expect(verifyReceipt(receiptOf(history, entry), entry.entry, trust).checkpoint.size).toBe(1_000n);
      const other = history.entries[(n + 1) % history.entries.length]!.entry;
      expect(() => verifyReceipt(receiptOf(history, entry), other, trust)).toThrow(
        expect.objectContaining({ code: 'TLOG_NOT_INCLUDED' }),
      );
    }
  });

  test('a receipt that stands alone has the leaf hash in it', () => {
    const last = history.entries.at(-1)!;
    const receipt = parseReceipt(standaloneReceiptOf(history, last));
    expect(receipt.extra).toEqual(leafHash(last.entry));
  });

  test('the QR code, read again, is the receipt', () => {
    const receipt = standaloneReceiptOf(history, history.entries.at(-1)!);
    expect(read(qrModules(receipt))).toBe(receipt.toString());
    expect(qrSvg(receipt)).toMatch(/^<svg .*<\/svg>\n$/);
  });

  test('the longest text that a QR code holds, and one byte more', () => {
    const text = Buffer.alloc(2_953, 'a');
    expect(read(qrModules(text))).toBe(text.toString());
    expect(() => qrModules(Buffer.alloc(2_954, 'a'))).toThrow(
      expect.objectContaining({ code: 'RECEIPT_TOO_LONG' }),
    );
  });

  test('the evidence package is a part bundle in a tar archive of whole blocks', () => {
    const tar = evidenceBundle(history, formatVerifierKey(key));
    expect(tar.length % 512).toBe(0);
    const paths = pathsIn(tar);
    expect(paths.slice(0, 3)).toEqual(['bundle.json', 'key', 'checkpoint']);
    expect(paths).toHaveLength(3 + 2 * moves.length);
  });

  test('and with names, if they are asked for, be it none', () => {
    const salt = 'AB'.repeat(32);
    const commitment = commitmentOf(Buffer.from(salt, 'hex'), 'Zoë');
    const tar = evidenceBundle(history, formatVerifierKey(key), [{ commitment, name: 'Zoë', salt }]);
    expect(pathsIn(tar)).toHaveLength(4 + 2 * moves.length);
    expect(tar.toString()).toContain(`{"commitment":"${commitment}","name":"Zoë","salt":"${salt}"}\n`);
    expect(pathsIn(evidenceBundle(history, formatVerifierKey(key), []))[3]).toBe('names');
  });

  test('ustar header: POSIX.1-1988, the sum of its bytes with the sum as spaces', () => {
    const header = tarOf([{ path: 'a', bytes: Buffer.from('xyz') }]).subarray(0, 512);
    expect(header.subarray(124, 136).toString()).toBe('00000000003\0');
    const sum = Number.parseInt(header.subarray(148, 154).toString(), 8);
    header.fill(' ', 148, 156);
    expect(header.reduce((total, byte) => total + byte, 0)).toBe(sum);
  });

  test('the report: a PDF, the same for the same records', async () => {
    const evidence = {
      transfer,
      history,
      last: history.entries.at(-1)!,
      actors: actorsIn(history),
      verifierKeyText: formatVerifierKey(key),
    };
    const pdf = await evidencePdf(evidence);
    if (process.env['OPENKDH_WRITE_PDF']) writeFileSync(process.env['OPENKDH_WRITE_PDF'], pdf);
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    expect(await evidencePdf(evidence)).toEqual(pdf);
    const other = await evidencePdf({ ...evidence, transfer: { ...transfer, station: 'bench 2' } });
    expect(other.equals(pdf)).toBe(false);
  });
});

/** Of the files in a tar archive. */
function pathsIn(tar: Buffer): string[] {
  return [...Array(tar.length / 512).keys()]
    .map((block) => tar.subarray(block * 512, block * 512 + 512))
    .filter((block) => block.subarray(257, 262).toString() === 'ustar')
    .map((block) => block.subarray(0, 100).toString().replaceAll('\0', ''));
}

/** What a reader makes of a code: each module 4 pixels wide. */
function read(modules: boolean[][]): string {
  const side = modules.length * 4;
  const data = new Uint8Array(side * side * 4).fill(255);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (modules[y >> 2]![x >> 2]) data.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
  return decodeQR({ width: side, height: side, data });
}
