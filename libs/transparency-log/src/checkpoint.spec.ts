import { describe, expect, test } from '@jest/globals';
import { publishedJson, publishedTest } from '../test/published-vectors.ts';
import {
  ed25519Key,
  localSigner,
  logSigner,
  numberedEntries,
  SampleLog,
  sampleTrust,
  text,
  utf8,
  witnessSigners,
} from '../test/sample-log.ts';
import {
  addSignatures,
  type Checkpoint,
  type CheckpointTrust,
  consistencyProof,
  cosignCheckpoint,
  emptyRoot,
  formatCheckpoint,
  leafHash,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  signCheckpoint,
  signText,
  TransparencyLogError,
  verifyGrowth,
} from './index.ts';

const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });
const hostile = expect.objectContaining({ code: 'TLOG_HOSTILE_SIZE' });
const [witness1, witness2] = witnessSigners as [(typeof witnessSigners)[0], (typeof witnessSigners)[0]];

const log = new SampleLog('example.com/sample-log', numberedEntries(20));
const signed = await signCheckpoint(log.checkpoint(), logSigner);
const cosigned = addSignatures(signed, [
  await cosignCheckpoint(signed, witness1, 1_764_000_000n),
  await cosignCheckpoint(signed, witness2, 1_764_000_001n),
]);

/** The code with which a checkpoint is refused. */
function refusalOf(note: Uint8Array, trust: Partial<CheckpointTrust> = {}): string {
  try {
    openCheckpoint(note, { ...sampleTrust, ...trust });
    return 'opens';
  } catch (error) {
    return (error as TransparencyLogError).code;
  }
}

describe('note text, C2SP tlog-checkpoint', () => {
  const root = Buffer.alloc(32, 1);
  const base64 = root.toString('base64');

  test('origin, size, root, and extension lines', () => {
    const checkpoint = { origin: 'kdh.example.1', size: 20852163n, root };
    expect(formatCheckpoint(checkpoint)).toBe(`kdh.example.1\n20852163\n${base64}\n`);
    expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
    const extended = { ...checkpoint, extensions: ['one', 'and two'] };
    expect(formatCheckpoint(extended)).toBe(`kdh.example.1\n20852163\n${base64}\none\nand two\n`);
    expect(parseCheckpoint(formatCheckpoint(extended))).toEqual(extended);
  });

  test.each(['0', '1', '9007199254740993', '9223372036854775807'])('size %s', (size) => {
    expect(parseCheckpoint(`a\n${size}\n${base64}\n`).size).toBe(BigInt(size));
  });

  test.each([
    '9223372036854775808',
    '18446744073709551616',
    '9'.repeat(10_000),
    '-1',
    '-0',
    '+1',
    '00',
    '01',
    '007',
    '1.0',
    '1e3',
    '0x10',
    ' 1',
    '1 ',
    '١',
    'one',
  ])('hostile size %.20s', (size) => {
    expect(() => parseCheckpoint(`a\n${size}\n${base64}\n`)).toThrow(hostile);
  });

  test.each([
    ['', 'nothing'],
    ['a\n1\n', 'no root'],
    [`\n1\n${base64}\n`, 'no origin'],
    [`a\n1\n${base64}`, 'no line feed at the end'],
    [`a\n1\n${base64}\none`, 'no line feed after an extension line'],
    [`a\n1\n${base64}\n\n`, 'an empty extension line'],
    [`a\n1\n${base64}\none\n\ntwo\n`, 'an empty line between extensions'],
    ['a\n1\n!!!!\n', 'no base64'],
  ])('%j: %s', (note) => {
    expect(() => parseCheckpoint(note)).toThrow(malformed);
  });

  test('a root of every other length', () => {
    for (let length = 0; length <= 65; length++) {
      if (length === 32) continue;
      const other = Buffer.alloc(length, 1);
      expect(() => parseCheckpoint(`a\n1\n${other.toString('base64')}\n`)).toThrow(malformed);
      expect(() => formatCheckpoint({ origin: 'a', size: 1n, root: other })).toThrow(malformed);
    }
  });

  test('a checkpoint that could be read as another one is not written', () => {
    for (const origin of ['', 'a\n5']) {
      expect(() => formatCheckpoint({ origin, size: 1n, root })).toThrow(malformed);
    }
    for (const line of ['', 'one\ntwo']) {
      expect(() => formatCheckpoint({ origin: 'a', size: 1n, root, extensions: [line] })).toThrow(malformed);
    }
    for (const size of [-1n, 2n ** 63n]) {
      expect(() => formatCheckpoint({ origin: 'a', size, root })).toThrow(hostile);
    }
  });

  publishedTest('transparency-dev/formats, parser cases; roots of other lengths are refused here', () => {
    const { ok, bad } = publishedJson<{ ok: string[]; bad: [string, string][] }>(
      'notes/formats-checkpoint-parse.json',
    );
    expect([ok.length, bad.length]).toEqual([3, 3]);
    for (const note of ok)
      expect(() => parseCheckpoint(note)).toThrow(/root of a checkpoint: expected 32 bytes/);
    for (const note of ok) {
      const corrected = note.replace(/\n[A-Za-z0-9+/=]{8,}\n/, `\n${base64}\n`);
      expect(formatCheckpoint(parseCheckpoint(corrected))).toBe(corrected);
    }
    for (const [, note] of bad) expect(() => parseCheckpoint(note)).toThrow(malformed);
  });
});

describe('openCheckpoint', () => {
  test('signed by the log, cosigned by the quorum', () => {
    const opened = openCheckpoint(cosigned, { ...sampleTrust, quorum: 2 });
    expect(opened.checkpoint).toEqual(log.checkpoint());
    expect(opened.signatures).toEqual([
      { key: logSigner.key },
      { key: witness1.key, timestampSeconds: 1_764_000_000n },
      { key: witness2.key, timestampSeconds: 1_764_000_001n },
    ]);
  });

  test('too few witnesses', async () => {
    expect(refusalOf(signed, { quorum: 0 })).toBe('opens');
    expect(refusalOf(signed, { quorum: 1 })).toBe('TLOG_WITNESS_QUORUM');
    expect(refusalOf(cosigned, { quorum: 3 })).toBe('TLOG_WITNESS_QUORUM');
    expect(refusalOf(cosigned, { quorum: 2, witnesses: [witness1.key] })).toBe('TLOG_WITNESS_QUORUM');
  });

  test('one witness counts once, however often it signs and under however many names', async () => {
    const again = await cosignCheckpoint(signed, witness1, 1_764_000_005n);
    const twice = parseNote(addSignatures(signed, [again])).signatures[1]!;
    const note = addSignatures(signed, [twice, await cosignCheckpoint(signed, witness1, 1n)]);
    expect(refusalOf(note, { quorum: 1 })).toBe('opens');
    expect(refusalOf(note, { quorum: 2 })).toBe('TLOG_WITNESS_QUORUM');
    const alias = localSigner('witness.example/alias', 'cosignature/v1', ed25519Key(2));
    const aliased = addSignatures(signed, [
      again,
      { ...again, name: alias.key.name, keyId: alias.key.keyId },
    ]);
    const witnesses = [witness1.key, alias.key];
    expect(refusalOf(aliased, { quorum: 1, witnesses })).toBe('opens');
    expect(refusalOf(aliased, { quorum: 2, witnesses })).toBe('TLOG_WITNESS_QUORUM');
  });

  test('a signature of a witness that has no time is no cosignature', async () => {
    const plain = localSigner('witness.example/plain', 'ed25519', ed25519Key(5));
    const note = addSignatures(signed, [await signText(parseNote(signed).text, plain)]);
    expect(refusalOf(note, { quorum: 1, witnesses: [plain.key] })).toBe('TLOG_WITNESS_QUORUM');
  });

  test('a log that signs like a witness is not its own witness', async () => {
    const note = addSignatures(signed, [await cosignCheckpoint(signed, witness1, 1n)]);
    const logKeys = [witness1.key];
    expect(refusalOf(note, { logKeys, witnesses: [witness2.key], quorum: 0 })).toBe('opens');
    expect(refusalOf(note, { logKeys, witnesses: [witness2.key], quorum: 1 })).toBe('TLOG_WITNESS_QUORUM');
  });

  test('cosigned, but not signed by its log', async () => {
    const { text: noteText } = parseNote(signed);
    const stranger = await signCheckpoint(log.checkpoint(), localSigner('x', 'ed25519', ed25519Key(8)));
    const note = addSignatures(stranger, [await signText(noteText, witness1, 1n)]);
    expect(refusalOf(note, { quorum: 1 })).toBe('TLOG_UNSIGNED');
    expect(refusalOf(note, { witnesses: [] })).toBe('TLOG_UNSIGNED');
  });

  test('of another log, though by the same key', async () => {
    const other = await signCheckpoint({ ...log.checkpoint(), origin: 'example.com/other' }, logSigner);
    expect(refusalOf(other)).toBe('TLOG_WRONG_ORIGIN');
  });

  test('signed, but no checkpoint', async () => {
    const note = utf8(text(signed).replace('\n20\n', '\n020\n'));
    expect(refusalOf(note)).toBe('TLOG_HOSTILE_SIZE');
    await expect(cosignCheckpoint(note, witness1, 1n)).rejects.toThrow(hostile);
  });

  test('a flipped bit anywhere', () => {
    const codes = new Set<string>();
    for (let at = 0; at < cosigned.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Uint8Array.from(cosigned);
        changed[at]! ^= 1 << bit;
        codes.add(refusalOf(changed, { quorum: 2 }));
      }
    }
    expect([...codes].sort()).toEqual([
      'TLOG_BAD_SIGNATURE',
      'TLOG_HOSTILE_SIZE',
      'TLOG_MALFORMED',
      'TLOG_UNSIGNED',
      'TLOG_WITNESS_QUORUM',
      'TLOG_WRONG_ORIGIN',
    ]);
  });

  test('cut anywhere', () => {
    for (let length = 0; length < cosigned.length; length++) {
      expect(() => openCheckpoint(cosigned.subarray(0, length), { ...sampleTrust, quorum: 2 })).toThrow(
        TransparencyLogError,
      );
    }
  });
});

describe('verifyGrowth', () => {
  const at = (size: bigint): Checkpoint => ({ origin: log.origin, size, root: headOf(Number(size)).root() });
  const headOf = (size: number) => new SampleLog(log.origin, numberedEntries(size)).range;
  const proofOf = (size1: bigint, size2: bigint) => consistencyProof(size1, size2, log.subtreeHash());

  test('from each size to each larger one', () => {
    for (let older = 0n; older <= 20n; older++) {
      const proof = older === 0n ? [] : proofOf(older, 20n);
      expect(() => verifyGrowth(at(older), at(20n), proof)).not.toThrow();
    }
  });

  test('a log that became smaller', () => {
    const cut = expect.objectContaining({ code: 'TLOG_TAIL_CUT' });
    expect(() => verifyGrowth(at(20n), at(7n), proofOf(7n, 20n))).toThrow(cut);
    expect(() => verifyGrowth(at(20n), at(0n), [])).toThrow(cut);
  });

  test('two heads of one size, and a history that was written anew', () => {
    const fork = expect.objectContaining({ code: 'TLOG_FORK' });
    const anew = new SampleLog(log.origin, numberedEntries(20, 1));
    expect(() => verifyGrowth(at(20n), anew.checkpoint(), [])).toThrow(fork);
    expect(() =>
      verifyGrowth(at(7n), anew.checkpoint(), consistencyProof(7n, 20n, anew.subtreeHash())),
    ).toThrow(fork);
    expect(() => verifyGrowth(at(7n), at(20n), proofOf(6n, 20n))).toThrow(fork);
  });

  test('from an empty log: one root, no proof', () => {
    const leaf = leafHash(utf8('x'));
    const empty = { origin: log.origin, size: 0n, root: emptyRoot() };
    expect(() => verifyGrowth(empty, empty, [])).not.toThrow();
    expect(() => verifyGrowth(empty, at(20n), [leaf])).toThrow(malformed);
    const fork = expect.objectContaining({ code: 'TLOG_FORK' });
    expect(() => verifyGrowth({ ...empty, root: leaf }, at(20n), [])).toThrow(fork);
    expect(() => verifyGrowth(empty, { ...empty, root: leaf }, [])).toThrow(fork);
  });

  test('two logs', () => {
    const wrong = expect.objectContaining({ code: 'TLOG_WRONG_ORIGIN' });
    expect(() => verifyGrowth(at(7n), { ...at(20n), origin: 'example.com/other' }, proofOf(7n, 20n))).toThrow(
      wrong,
    );
  });
});

test('addSignatures replaces a signature of the same key and keeps the others', () => {
  const { signatures } = parseNote(cosigned);
  const note = parseNote(addSignatures(cosigned, [{ ...signatures[1]!, signature: Uint8Array.of(1) }]));
  expect(note.signatures.map(({ name }) => name)).toEqual(
    [logSigner, witness2, witness1].map(({ key }) => key.name),
  );
  expect(note.signatures[2]!.signature).toHaveLength(1);
});
