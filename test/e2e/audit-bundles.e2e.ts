/** `openkdh audit verify` and the second verifier, test/second-verifier, on good and bad bundles: docs/audit-log.md. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addSignatures, formatReceipt, parseNote, parseReceipt } from '@openkdh/transparency-log';
import fc from 'fast-check';
import { verifyReceiptFile } from '../../apps/cli/src/audit/receipt.ts';
import { verifyBundle } from '../../apps/cli/src/audit/verify.ts';
import { openkdh } from '../cli/transcript.ts';
import {
  checkpointOf,
  cosigned,
  type Event,
  entriesOf,
  makeLogKey,
  makeWitnessKey,
  uuid,
  writeBundle,
} from '../support/audit-bundle.ts';
import {
  altered,
  ann,
  bundles,
  changeEntries,
  history,
  inMoves,
  key,
  names,
  part,
  signer,
  started,
  told,
  withBody,
} from '../support/bundle-cases.ts';
import { hasSecondVerifier, secondVerdicts, testWithPython } from '../support/second-verifier.ts';

const folder = mkdtempSync(join(tmpdir(), 'openkdh-bundles-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the first verifier says. */
async function firstVerdict(bundle: string, more: Record<string, unknown> = {}) {
  const { exitCode, words } = await verifyBundle.run({ bundle, key, ...more });
  return { exitCode, words: words() };
}

describe('a bundle', () => {
  const pathOf = (what: string) => join(folder, what);
  let second: ReturnType<typeof secondVerdicts>;
  beforeAll(async () => {
    for (const [what, , make] of bundles) await make(pathOf(what));
    if (hasSecondVerifier)
      second = secondVerdicts(
        bundles.map(([what]) => pathOf(what)),
        ['--key', key],
      );
  });
  test.each(bundles)('%s', async (what, exitCode) => {
    expect(await firstVerdict(pathOf(what))).toMatchObject({ exitCode });
  });
  testWithPython.each(bundles)('for the second verifier, %s', (what, exitCode) => {
    expect(second[bundles.findIndex(([name]) => name === what)]).toMatchObject({ exitCode });
  });
});

describe('the command', () => {
  const bundle = join(folder, 'by the command');
  const run = () =>
    spawnSync(process.execPath, [openkdh, 'audit', 'verify', bundle, '--key', key], { encoding: 'utf8' });

  test('says what it verified, and that without a kept checkpoint something is not', async () => {
    await writeBundle(bundle, entriesOf(history), signer);
    const { status, stdout, stderr } = run();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(
      stdout.replace(/root [0-9A-F]{64}/, 'root …'),
    ).toBe(`The log kdh.test has 39 entries with the root …: its key signed that.
All of them are in this bundle, unchanged and in order, and there is nothing else in it.
Not verified: whether entries were cut off or the log was made anew; only a checkpoint that you have kept shows that.
Every attempt went step by step (4 CONFIRMED, 0 open), no terminal's count has a gap,
2 KSNs were reserved before their keys were derived, none twice and none skipped; approvals were not asked for.
`);
  });

  test('says who the people in the entries are, if the bundle has their names', () => {
    writeFileSync(join(bundle, 'names'), names);
    expect(run().stdout).toContain(`
The names of 2 people are those that they were given when their commitments were made:
  operator:${ann.commitment} is Ann Żółć
  operator:`);
  });

  test('tells a failure by its exit code, and in a line', () => {
    changeEntries((entries) => [altered, ...entries.slice(1)])(bundle);
    expect(run()).toMatchObject({
      status: 18,
      stdout: '',
      stderr: 'openkdh: TLOG_ENTRY_ALTERED: the entry at 0 is not the one that the log holds there\n',
    });
  });
});

describe('whatever a log tells', () => {
  const at = fc.nat(inMoves.length - 1);
  const members = {
    v: 2,
    id: '01',
    actor: '',
    terminal: uuid(1),
    attempt: uuid(3),
    type: 'attempt.wrapped',
    time: 'now',
  };
  const bodies: Event[] = [
    { from: 'SENT' },
    { version: 4 },
    { number: 2 },
    { number: 1.5 },
    { kind: 'KBPK' },
    { rule: 'other' },
    { through: ['WRAPPED'] },
    { through: ['WRAPPED', 'DISPATCHABLE'], version: 6 },
    { ksns: ['A1B2C3D40000000300000000', null] },
    { ksns: ['FFFF9876540000200000'] },
    { keys: [{ ksn: 'A1B2C3D40000000300000000' }, 'text', null] },
  ];
  /** Changes that an honest log would not make; some of them do no harm. */
  const changes = fc.oneof(
    at.map((n) => (events: Event[]) => events.toSpliced(n, 1)),
    fc.tuple(at, at).map(
      ([n, to]) =>
        (events: Event[]) =>
          events.toSpliced(to, 0, events[n % events.length]!),
    ),
    fc.tuple(at, at).map(
      ([n, to]) =>
        (events: Event[]) =>
          events.toSpliced(to, 0, ...events.splice(n, 1)),
    ),
    fc.tuple(at, fc.constantFrom(...Object.entries(members))).map(
      ([n, [name, value]]) =>
        (events: Event[]) =>
          events.with(n % events.length, { ...events[n % events.length], [name]: value }),
    ),
    fc.tuple(at, fc.constantFrom(...bodies)).map(
      ([n, body]) =>
        (events: Event[]) =>
          events.with(n % events.length, withBody(body)(events[n % events.length]!)),
    ),
  );

  testWithPython('the two verifiers agree', async () => {
    const seed = Date.now() % 2 ** 31;
    const samples = fc.sample(fc.array(changes, { minLength: 1, maxLength: 3 }), { numRuns: 200, seed });
    const made: string[] = [];
    const first: number[] = [];
    for (const [n, sample] of samples.entries()) {
      const bundle = join(folder, `told ${n}`);
      let events = inMoves;
      for (const change of sample) events = change([...events]);
      await writeBundle(bundle, entriesOf(events), signer);
      made.push(bundle);
      first.push((await firstVerdict(bundle)).exitCode);
    }
    const second = secondVerdicts(made, ['--key', key]).map(({ exitCode }) => exitCode);
    expect({ seed, verdicts: second }).toEqual({ seed, verdicts: first });
  });
});

describe('a checkpoint that was kept', () => {
  const entries = entriesOf(history);
  const rebuilt = entriesOf([{ ...started, actor: 'node:b' }, ...history.slice(1)]);
  const cases: [what: string, exitCode: number, log: Uint8Array[], kept: Uint8Array[], by?: typeof signer][] =
    [
      ['the log continues it', 0, entries, entries.slice(0, 7)],
      ['the log is still the same', 0, entries, entries],
      ['it was of an empty log', 0, entries, []],
      ['the log was cut', 21, entries.slice(0, 21), entries],
      ['the log was made anew', 12, rebuilt, entries.slice(0, 7)],
      ['there are two logs of one size', 12, rebuilt, entries],
      ['it is of another log', 10, entries, entries, makeLogKey('kdh.other').signer],
    ];
  const prepare = async ([what, , log, kept, by = signer]: (typeof cases)[number]) => {
    const bundle = join(folder, `kept, ${what}`);
    await writeBundle(bundle, log, signer);
    const previous = join(folder, `${what}.checkpoint`);
    writeFileSync(previous, await checkpointOf(kept, by));
    return { bundle, previous };
  };
  test.each(cases)('%s', async (...row) => {
    const { bundle, previous } = await prepare(row);
    expect(await firstVerdict(bundle, { previous })).toMatchObject({ exitCode: row[1] });
  });
  testWithPython.each(cases)('for the second verifier, %s', async (...row) => {
    const { bundle, previous } = await prepare(row);
    const verdicts = secondVerdicts([bundle], ['--key', key, '--previous', previous]);
    expect(verdicts).toMatchObject([{ exitCode: row[1] }]);
  });
});

describe('witnesses', () => {
  const [one, two, three] = ['one', 'two', 'three'].map((name) => makeWitnessKey(`witness.test/${name}`)) as [
    ReturnType<typeof makeWitnessKey>,
    ReturnType<typeof makeWitnessKey>,
    ReturnType<typeof makeWitnessKey>,
  ];
  const entries = entriesOf(history);
  type Note = Uint8Array | Promise<Uint8Array>;
  const cases: [
    what: string,
    exitCode: number,
    note: (signed: Uint8Array) => Note,
    trusted: (typeof one)[],
    quorum?: number,
  ][] = [
    ['all of them', 0, (note) => cosigned(note, [one.signer, two.signer]), [one, two]],
    ['as many as asked for', 0, (note) => cosigned(note, [two.signer]), [one, two], 1],
    ['none, and none asked for', 0, (note) => note, [one], 0],
    ['one too few', 17, (note) => cosigned(note, [one.signer]), [one, two]],
    ['none', 17, (note) => note, [one]],
    ['others than those that are trusted', 17, (note) => cosigned(note, [three.signer]), [one, two], 1],
    ['one that is named twice', 17, (note) => cosigned(note, [one.signer]), [one, one], 2],
    [
      'a cosignature of another checkpoint',
      10,
      async (note) => {
        const other = await cosigned(await checkpointOf(entries.slice(1), signer), [one.signer]);
        return addSignatures(note, parseNote(other).signatures.slice(1));
      },
      [one],
    ],
    [
      'a cosignature with another time',
      10,
      async (note) => {
        const [, cosignature] = parseNote(await cosigned(note, [one.signer])).signatures;
        const signature = Uint8Array.from(cosignature!.signature);
        signature[7]! ^= 1;
        return addSignatures(note, [{ ...cosignature!, signature }]);
      },
      [one],
    ],
  ];
  const bundleOf = async ([what, , note]: (typeof cases)[number]) => {
    const bundle = join(folder, `witnessed by ${what}`);
    await writeBundle(bundle, entries, signer);
    writeFileSync(join(bundle, 'checkpoint'), await note(await checkpointOf(entries, signer)));
    return bundle;
  };
  test.each(cases)('%s', async (...row) => {
    const [, exitCode, , trusted, quorum] = row;
    const bundle = await bundleOf(row);
    const witness = trusted.map(({ text }) => text);
    expect(await firstVerdict(bundle, { witness, quorum })).toMatchObject({ exitCode });
    if (!hasSecondVerifier) return;
    const options = ['--key', key, ...witness.flatMap((text) => ['--witness', text])];
    if (quorum !== undefined) options.push('--quorum', String(quorum));
    expect(secondVerdicts([bundle], options)).toMatchObject([{ exitCode }]);
  });

  test('a receipt is asked for cosignatures, too', async () => {
    const bundle = join(folder, 'witnessed receipt');
    await writeBundle(bundle, entries, signer, [7]);
    const receipt = join(bundle, 'entry/7.tlog-proof');
    const { checkpoint, ...proof } = parseReceipt(readFileSync(receipt));
    writeFileSync(receipt, formatReceipt({ ...proof, checkpoint: await cosigned(checkpoint, [one.signer]) }));
    const asked = { receipt, key, entry: join(bundle, 'entry/7.json') };
    const { exitCode, words } = await verifyReceiptFile.run({ ...asked, witness: one.text });
    expect([exitCode, words()]).toEqual([
      0,
      expect.stringContaining('witness.test/one at 2025-11-24T16:00:00Z'),
    ]);
    expect(await verifyReceiptFile.run({ ...asked, witness: [one.text, two.text] })).toMatchObject({
      exitCode: 17,
    });
  });

  test('who cosigned, and when, is said', async () => {
    const bundle = await bundleOf(['for words', 0, (note) => cosigned(note, [one.signer, two.signer]), []]);
    const { words } = await firstVerdict(bundle, { witness: [one.text, two.text] });
    expect(words).toContain(
      'witness.test/one at 2025-11-24T16:00:00Z, witness.test/two at 2025-11-24T16:00:01Z',
    );
    expect((await firstVerdict(bundle, { witness: [one.text], quorum: 0 })).words).not.toContain('test/two');
  });
});

describe('two approvals', () => {
  const approvedBy = (...approvers: string[]) => told('attempt.approved', withBody({ approvers }));
  const cases: [what: string, exitCode: number, events: Event[]][] = [
    ['by two people', 0, approvedBy('operator:ann', 'operator:bob')],
    ['twice by the same', 15, approvedBy('operator:ann', 'operator:ann')],
    ['by who requested', 15, approvedBy('operator:ann', 'operator:eve')],
    ['by nobody', 15, approvedBy()],
    ['by a rule', 15, inMoves],
  ];
  const pathOf = (what: string) => join(folder, `approved ${what}`);
  beforeAll(async () => {
    for (const [what, , events] of cases) await writeBundle(pathOf(what), entriesOf(events), signer);
  });
  test.each(cases)('%s', async (what, exitCode) => {
    expect(await firstVerdict(pathOf(what), { approvals: 2 })).toMatchObject({ exitCode });
    expect(await firstVerdict(pathOf(what))).toMatchObject({ exitCode: 0 });
  });
  testWithPython('for the second verifier', () => {
    const verdicts = secondVerdicts(
      cases.map(([what]) => pathOf(what)),
      ['--key', key, '--approvals', '2'],
    );
    expect(verdicts).toMatchObject(cases.map(([, exitCode]) => ({ exitCode })));
  });
});

describe('a changed byte', () => {
  /** Files of a bundle. */
  const pathsIn = (bundle: string) =>
    readdirSync(bundle, { recursive: true, withFileTypes: true })
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name).slice(bundle.length + 1));
  /** Bundles that each differ in one byte from one that is good; every byte of small files, some of the larger. */
  const flipped = async (content: 'whole' | 'part') => {
    const good = join(folder, `flips, ${content}`);
    await writeBundle(good, entriesOf(history), signer, content === 'part' ? part : undefined);
    writeFileSync(join(good, 'names'), names);
    const bundles: string[] = [];
    for (const path of pathsIn(good)) {
      const bytes = readFileSync(join(good, path));
      const step = Math.max(1, Math.floor(bytes.length / 16));
      for (let at = 0; at < bytes.length; at += step) {
        const bundle = `${good}, ${path.replaceAll('/', '_')} ${at}`;
        mkdirSync(bundle);
        for (const other of pathsIn(good)) {
          mkdirSync(dirname(join(bundle, other)), { recursive: true });
          writeFileSync(join(bundle, other), readFileSync(join(good, other)));
        }
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1 << (at % 8);
        writeFileSync(join(bundle, path), changed);
        bundles.push(bundle);
      }
    }
    return bundles;
  };
  test.each(['whole', 'part'] as const)(
    'anywhere in a %s is told',
    async (content) => {
      const bundles = await flipped(content);
      const first = [];
      for (const bundle of bundles) first.push([bundle, (await firstVerdict(bundle)).exitCode]);
      expect(first.filter(([, exitCode]) => Number(exitCode) < 10)).toEqual([]);
      if (!hasSecondVerifier) return;
      const second = secondVerdicts(bundles, ['--key', key]).map(({ exitCode }, n) => [bundles[n], exitCode]);
      expect(second).toEqual(first);
    },
    60_000,
  );
});
