import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { publishedJson, publishedTest } from '../test/published-vectors.ts';
import {
  hex,
  logSigner,
  numberedEntries,
  SampleLog,
  sampleTrust,
  text,
  utf8,
  vectors,
  witnessSigners,
} from '../test/sample-log.ts';
import {
  addSignatures,
  type CheckpointTrust,
  cosignCheckpoint,
  formatReceipt,
  inclusionProof,
  parseReceipt,
  type Receipt,
  signCheckpoint,
  TransparencyLogError,
  verifyReceipt,
} from './index.ts';

const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });
const hostile = expect.objectContaining({ code: 'TLOG_HOSTILE_SIZE' });

const log = new SampleLog('example.com/sample-log', numberedEntries(300));
const trust: CheckpointTrust = { ...sampleTrust, quorum: 1 };
const signed = await signCheckpoint(log.checkpoint(), logSigner);
const checkpoint = addSignatures(signed, [
  await cosignCheckpoint(signed, witnessSigners[0]!, 1_764_000_000n),
]);

function receiptOf(index: number): Uint8Array {
  const proof = inclusionProof(BigInt(index), 300n, log.subtreeHash());
  return formatReceipt({ index: BigInt(index), proof, checkpoint });
}

test('the receipts of test/vectors/transparency-log.json', () => {
  for (const [n, receipt] of vectors.receipts.entries()) {
    const { checkpoint: head } = verifyReceipt(utf8(receipt), utf8(vectors.entries[n]!), {
      ...trust,
      quorum: 2,
    });
    expect(head.size).toBe(5n);
    expect(text(formatReceipt(parseReceipt(utf8(receipt))))).toBe(receipt);
  }
});

test('one for every entry of a log', () => {
  for (const [n, entry] of log.entries.entries()) {
    expect(verifyReceipt(receiptOf(n), entry, trust).checkpoint.size).toBe(300n);
  }
});

test('says nothing of another entry, at another index, in another log, or to who trusts others', () => {
  const receipt = receiptOf(77);
  const refusal = (code: string) => expect.objectContaining({ code });
  expect(() => verifyReceipt(receipt, utf8('78'), trust)).toThrow(refusal('TLOG_NOT_INCLUDED'));
  expect(() => verifyReceipt(utf8(text(receipt).replace('index 77', 'index 78')), utf8('77'), trust)).toThrow(
    refusal('TLOG_NOT_INCLUDED'),
  );
  expect(() =>
    verifyReceipt(utf8(text(receipt).replace('index 77', 'index 300')), utf8('77'), trust),
  ).toThrow(hostile);
  expect(() => verifyReceipt(receipt, utf8('77'), { ...trust, origin: 'example.com/other' })).toThrow(
    refusal('TLOG_WRONG_ORIGIN'),
  );
  expect(() => verifyReceipt(receipt, utf8('77'), { ...trust, logKeys: [] })).toThrow(
    refusal('TLOG_UNSIGNED'),
  );
  expect(() => verifyReceipt(receipt, utf8('77'), { ...trust, quorum: 2 })).toThrow(
    refusal('TLOG_WITNESS_QUORUM'),
  );
});

test('a flipped bit anywhere, or a cut', () => {
  const receipt = receiptOf(77);
  for (let at = 0; at < receipt.length; at++) {
    const changed = Uint8Array.from(receipt);
    changed[at]! ^= 1 << (at % 8);
    expect(() => verifyReceipt(changed, utf8('77'), trust)).toThrow(TransparencyLogError);
    expect(() => verifyReceipt(receipt.subarray(0, at), utf8('77'), trust)).toThrow(TransparencyLogError);
  }
});

describe('the form, C2SP tlog-proof', () => {
  publishedTest('transparency-dev/formats, parser cases', () => {
    const { ok, bad } = publishedJson<{ ok: string[]; bad: [string, string][] }>(
      'notes/formats-tlog-proof-parse.json',
    );
    expect([ok.length, bad.length]).toEqual([1, 8]);
    for (const receipt of ok) expect(text(formatReceipt(parseReceipt(utf8(receipt))))).toBe(receipt);
    for (const [name, receipt] of bad) {
      const generated = `c2sp.org/tlog-proof@v1\nindex 0\n${'a'.repeat(65 * 1024)}\n`;
      const bytes = utf8(name === 'buffer too large' ? generated : receipt);
      expect(() => parseReceipt(bytes)).toThrow(TransparencyLogError);
    }
  });

  test.each(['-1', '01', '00', '9223372036854775808', '9'.repeat(5000), '1.0', '', '0x1'])(
    'hostile index %.20s',
    (index) => {
      expect(() => parseReceipt(utf8(`c2sp.org/tlog-proof@v1\nindex ${index}\n\nx\n`))).toThrow(hostile);
    },
  );

  test.each([
    ['an empty file', ''],
    ['another version', 'c2sp.org/tlog-proof@v2\nindex 0\n\nx\n'],
    ['no index', 'c2sp.org/tlog-proof@v1\n\nx\n'],
    ['no empty line', 'c2sp.org/tlog-proof@v1\nindex 0\nx\n'],
    ['the index before the extra data', 'c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\nx\n'],
    ['two indices', 'c2sp.org/tlog-proof@v1\nindex 0\nindex 0\n\nx\n'],
    ['an extra line without data', 'c2sp.org/tlog-proof@v1\nextra\nindex 0\n\nx\n'],
    ['carriage returns', 'c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nx\r\n'],
  ])('%s', (_, receipt) => {
    expect(() => parseReceipt(utf8(receipt))).toThrow(malformed);
  });

  test('a hash of every other length', () => {
    for (let length = 1; length <= 65; length++) {
      if (length === 32) continue;
      const hash = Buffer.alloc(length).toString('base64');
      expect(() => parseReceipt(utf8(`c2sp.org/tlog-proof@v1\nindex 0\n${hash}\n\nx\n`))).toThrow(malformed);
      expect(() => formatReceipt({ index: 0n, proof: [new Uint8Array(length)], checkpoint })).toThrow(
        malformed,
      );
    }
  });

  test('every receipt comes back, with and without extra data', () => {
    const anyReceipt: fc.Arbitrary<Receipt> = fc.record(
      {
        index: fc.bigInt(0n, 2n ** 63n - 1n),
        proof: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 }),
        checkpoint: fc.constant(checkpoint),
        extra: fc.uint8Array(),
      },
      { requiredKeys: ['index', 'proof', 'checkpoint'] },
    );
    fc.assert(
      fc.property(anyReceipt, (receipt) => {
        const read = parseReceipt(formatReceipt(receipt));
        expect(read.index).toBe(receipt.index);
        expect(read.proof.map(hex)).toEqual(receipt.proof.map(hex));
        expect(hex(read.checkpoint)).toBe(hex(checkpoint));
        expect(read.extra && hex(read.extra)).toBe(receipt.extra && hex(receipt.extra));
      }),
    );
  });

  test('an index that no log can have is not written', () => {
    for (const index of [-1n, 2n ** 63n]) {
      expect(() => formatReceipt({ index, proof: [], checkpoint })).toThrow(hostile);
    }
  });
});
