/**
 * Good and bad bundles of an audit log, each with the exit code that docs/audit-log.md gives it: histories that the log's key
 * signs, and attacks on the files of a bundle. Both verifiers are held against them.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CommittedName,
  commitmentOf,
  formatCommittedNames,
  formatEntryBundle,
  parseEntryBundle,
} from '@openkdh/transparency-log';
import {
  aesKsn,
  checkpointOf,
  type Event,
  entriesOf,
  lifeOfAttempt,
  makeLogKey,
  movesOfAttempt,
  uuid,
  writeBundle,
} from './audit-bundle.ts';

/** The log that signs them, and its verifier key. */
export const { signer, text: key } = makeLogKey('kdh.test');
/** 39 entries: a first key and an initial key for each of two terminals. */
export const started: Event = {
  v: 1,
  id: '1',
  time: '2026-11-24T12:00:00.000000Z',
  type: 'log.started',
  actor: 'node:a',
  body: { text: 'é€😀\u001f', fraction: [0.1, 1.5e-7, 123456.75, 1e-6, 5e-324], none: null },
};
export const history = [
  started,
  ...lifeOfAttempt(1, 1, 1),
  ...lifeOfAttempt(2, 1, 2, 1),
  ...lifeOfAttempt(3, 2, 1),
  ...lifeOfAttempt(4, 2, 2, 2),
];
/** That log when its KDH has begun to write an entry for each move: a first key and an initial key of a third terminal. */
export const inMoves = [...history, ...movesOfAttempt(5, 3, 1), ...movesOfAttempt(6, 3, 2, 3)];
const manyEvents = Array.from({ length: 600 }, (_, n): Event => ({ ...started, id: String(n + 1) }));

/** Changes one event of an honest log, which then signs it: what the rules are for. */
export const told = (
  type: string,
  change: (event: Event) => readonly Event[] | Event,
  events = history,
): Event[] => {
  const at = events.findLastIndex((event) => event.type === type);
  return events.flatMap((event, n) => (n === at ? ([change(event)].flat() as Event[]) : [event]));
};
const burned = (first: number, last: number): Event => ({
  ...started,
  type: 'bdk.ksns-burned',
  body: { first: aesKsn(first), last: aesKsn(last) },
});
const anchored = (operations: number, seq = 10 + operations, digit = 'A'): Event => ({
  ...started,
  type: 'hsm.anchored',
  body: { hsm: 'S1', operations, log: { seq, hash: digit.repeat(64) } },
});
const restored: Event = { ...started, type: 'database.restore-accepted', body: { reason: 'disk' } };
export const withBody = (more: Event) => (event: Event) => ({
  ...event,
  body: { ...(event.body as Event), ...more },
});

/** A move of the last attempt in that log, told otherwise. */
const moved = (state: string, body: Event): Event[] => told(`attempt.${state}`, withBody(body), inMoves);
/** A seventh attempt, which a rule approved, and what comes next. `device`: of its KSN; none for a first key. */
const seventh = (device: number | undefined, state: string, body: Event): Event[] => {
  const [requested] = movesOfAttempt(7, 3, 3, device) as [Event];
  return [requested, { ...requested, id: '702', type: `attempt.${state}`, body }];
};
const reservedOnTheWay = (device: number) =>
  seventh(device, 'deriving', {
    from: 'APPROVED',
    through: ['KSN_RESERVED'],
    ksns: [aesKsn(device)],
    version: 4,
  });
const derivedOnTheWay = (device?: number) =>
  seventh(device, 'wrapped', { from: 'APPROVED', through: ['DERIVING'], version: 4 });

/** Events of a log whose key signs them and that tells of moves, and what the verifiers say. */
const signedMoves: [what: string, exitCode: number, events: Event[]][] = [
  ['moves after steps', 0, inMoves],
  ['moves only', 0, [started, ...movesOfAttempt(1, 1, 1), ...movesOfAttempt(2, 1, 2, 1)]],
  [
    'an attempt whose KDH begins to write moves under way',
    0,
    [...history, ...lifeOfAttempt(5, 2, 3, 3).slice(0, 4), ...movesOfAttempt(5, 2, 3, 3).slice(3)],
  ],
  [
    'a state that is passed over',
    15,
    told(
      'attempt.confirmed',
      (event) => ({ ...event, body: { from: 'OUTCOME_UNKNOWN', version: 9 } }),
      inMoves,
    ),
  ],
  ['through nothing', 15, moved('sent', { through: [] })],
  ['through null', 15, moved('sent', { through: null })],
  ['through a text', 15, moved('confirmed', { through: 'RESULT_RECEIVED' })],
  ['through an object', 15, moved('confirmed', { through: { length: 1 } })],
  ['through a number', 15, moved('confirmed', { through: ['RESULT_RECEIVED', 1] })],
  ['through a list', 15, moved('confirmed', { through: [['RESULT_RECEIVED']] })],
  ['through a state that there is not', 15, moved('confirmed', { through: ['LOST'] })],
  ['through a state in other letters', 15, moved('confirmed', { through: ['result_received'] })],
  ['through its end', 15, moved('confirmed', { through: ['RESULT_RECEIVED', 'CONFIRMED'], version: 11 })],
  ['through another end', 15, moved('confirmed', { through: ['RESULT_RECEIVED', 'FAILED'], version: 11 })],
  ['through the request', 15, moved('confirmed', { through: ['REQUESTED'] })],
  [
    'through a way that begins elsewhere',
    15,
    moved('confirmed', { through: ['SENT', 'RESULT_RECEIVED'], version: 11 }),
  ],
  ['through a state that may not follow', 15, moved('confirmed', { through: ['DISPATCHABLE'] })],
  [
    'through states in another order',
    15,
    moved('sent', { from: 'DERIVING', through: ['DISPATCHABLE', 'WRAPPED'], version: 7 }),
  ],
  ['through a state that the version does not count', 15, moved('confirmed', { version: 9 })],
  ['a version that counts more states', 15, moved('sent', { version: 8 })],
  ['from the state that it went through', 15, moved('confirmed', { from: 'RESULT_RECEIVED' })],
  ['KSNs that are reserved on the way', 0, [...inMoves, ...reservedOnTheWay(4)]],
  ['a KSN that is skipped on the way', 14, [...inMoves, ...reservedOnTheWay(5)]],
  ['a KSN twice on the way', 15, [...inMoves, ...reservedOnTheWay(3)]],
  ['a key of a move whose KSN was not reserved for it', 15, moved('ksn_reserved', { ksns: [] })],
  ['a first key that is derived on the way', 0, [...inMoves, ...derivedOnTheWay()]],
  ['keys that are derived on the way before a KSN is reserved', 15, [...inMoves, ...derivedOnTheWay(4)]],
  [
    'an HSM that released what was announced on the way',
    0,
    [...inMoves, anchored(7), anchored(7), ...derivedOnTheWay(), anchored(9)],
  ],
  ['and more', 14, [...inMoves, anchored(7), anchored(7), ...derivedOnTheWay(), anchored(10)]],
  [
    'an attempt that a rule approved, and then people',
    15,
    [...inMoves, ...seventh(4, 'approved', { from: 'REQUESTED', approvers: [], version: 2 })],
  ],
  [
    'an attempt that is approved twice',
    15,
    [...inMoves, ...seventh(4, 'approved', { from: 'APPROVED', approvers: [], version: 3 })],
  ],
  [
    'an attempt that a rule approved, and people rejected',
    15,
    [...inMoves, ...seventh(4, 'rejected', { from: 'REQUESTED', version: 2 })],
  ],
  ['a rule without a name', 15, moved('requested', { rule: '' })],
  ['a rule that is true', 15, moved('requested', { rule: true })],
  ['a rule that is null', 15, moved('requested', { rule: null })],
];

/** Events of a log whose key signs them, and what the verifiers say. */
const signedHistories: [what: string, exitCode: number, events: Event[]][] = [
  ['an honest log', 0, history],
  ['a log of one entry', 0, [started]],
  ['more entries than a tile', 0, manyEvents],
  ['full tiles only', 0, manyEvents.slice(0, 512)],
  ['an entry of a later version', 16, [{ ...started, v: 2 }]],
  ['an entry with a member that there is not', 16, [{ ...started, extra: 1 }]],
  [
    'an entry without an actor',
    16,
    [Object.fromEntries(Object.entries(started).filter(([name]) => name !== 'actor'))],
  ],
  ['a time without microseconds', 16, [{ ...started, time: '2026-11-24T12:00:00Z' }]],
  ['a step that is left out', 15, told('attempt.sent', () => [])],
  ['confirmed without a result', 15, told('attempt.result_received', () => [])],
  ['confirmed from SENT', 15, told('attempt.confirmed', withBody({ from: 'SENT' }))],
  ['a version twice', 15, told('attempt.wrapped', (event) => [event, event])],
  ['a version that is true', 15, told('attempt.approved', withBody({ version: true }))],
  [
    'a second final state',
    15,
    [
      ...history,
      ...told('attempt.confirmed', (event) => ({ ...event, type: 'attempt.failed' }), history).slice(-1),
    ],
  ],
  ['an attempt that is requested again', 15, [...history, { ...lifeOfAttempt(4, 2, 3)[0]! }]],
  [
    'an attempt that is requested again, and a gap after it',
    15,
    [...history, lifeOfAttempt(4, 2, 3)[0]!, lifeOfAttempt(5, 2, 9)[0]!],
  ],
  ['an attempt that is requested again, and a gap in that', 15, [...history, lifeOfAttempt(4, 2, 4)[0]!]],
  [
    'an attempt that is requested again, after a gap',
    14,
    [...history, lifeOfAttempt(5, 2, 4)[0]!, lifeOfAttempt(4, 2, 3)[0]!],
  ],
  [
    'an open attempt that is requested again',
    15,
    [...history, ...[3, 4].map((n) => lifeOfAttempt(5, 2, n)[0]!)],
  ],
  ['an attempt that nobody requested', 15, told('attempt.requested', () => [])],
  [
    'an attempt that changes its terminal',
    15,
    told('attempt.sent', (event) => ({ ...event, terminal: uuid(1) })),
  ],
  ['a state that there is not', 15, told('attempt.sent', (event) => ({ ...event, type: 'attempt.lost' }))],
  ['a state in other letters', 15, told('attempt.sent', (event) => ({ ...event, type: 'attempt.ſent' }))],
  ['a terminal whose attempts skip a number', 14, [...history, lifeOfAttempt(5, 2, 4)[0]!]],
  ['a KSN twice', 15, [...history, ...lifeOfAttempt(5, 2, 3, 2)]],
  ['a KSN that is skipped', 14, [...history, ...lifeOfAttempt(5, 2, 3, 4)]],
  ['KSNs that are burned, and the next', 0, [...history, burned(3, 7), ...lifeOfAttempt(5, 2, 3, 8)]],
  ['one KSN that is burned', 0, [...history, burned(3, 3), ...lifeOfAttempt(5, 2, 3, 4)]],
  ['KSNs that are burned after a gap', 14, [...history, burned(4, 7)]],
  ['KSNs that are burned and were reserved', 15, [...history, burned(2, 7)]],
  ['a KSN of those that are burned', 15, [...history, burned(3, 7), ...lifeOfAttempt(5, 2, 3, 7)]],
  ['KSNs that are burned backwards', 15, [...history, burned(4, 3)]],
  ['a burned KSN that is none', 15, [...history, { ...burned(3, 7), body: { first: 3, last: 7 } }]],
  ['an HSM that released what was announced', 0, [anchored(5), ...history, anchored(7), anchored(8)]],
  ['an HSM that released more than was announced', 14, [...history, anchored(7), anchored(7), anchored(8)]],
  ['an HSM whose count went down', 14, [...history, anchored(7), anchored(6)]],
  ['an HSM whose log went back', 14, [...history, anchored(7, 17), anchored(7, 16)]],
  ['an HSM whose log was written anew', 14, [...history, anchored(7), anchored(7, 17, 'B')]],
  ['an HSM whose log is gone', 14, [anchored(7), { ...anchored(7), body: { hsm: 'S1', operations: 7 } }]],
  ['an HSM after a restore that was accepted', 0, [anchored(7), restored, anchored(70), anchored(71)]],
  ['and what it released later', 14, [anchored(7), restored, anchored(7), anchored(7), anchored(8)]],
  ['an anchor of no HSM', 15, [{ ...anchored(7), body: { operations: 7 } }]],
  ['an anchor without a count', 15, [{ ...anchored(7), body: { hsm: 'S1', operations: true } }]],
  ['a KSN that is none', 15, told('attempt.ksn_reserved', withBody({ ksns: ['A1B2'] }))],
  [
    'a KSN with a transaction counter',
    15,
    told('attempt.ksn_reserved', withBody({ ksns: ['A1B2C3D40000000200000001'] })),
  ],
  [
    'KSNs of TDES',
    0,
    [
      ...history,
      ...lifeOfAttempt(5, 2, 3, 3)
        .slice(0, 3)
        .map((event) =>
          event.type === 'attempt.ksn_reserved'
            ? withBody({ ksns: ['FFFF9876540000200000', 'FFFF9876540000400000'] })(event)
            : event,
        ),
    ],
  ],
  ['a key whose KSN was not reserved for it', 15, told('attempt.ksn_reserved', withBody({ ksns: [] }))],
  [
    'keys that are derived before a KSN is reserved',
    15,
    [
      ...history,
      ...lifeOfAttempt(5, 2, 3)
        .slice(0, 3)
        .map((event, n) => (n === 0 ? withBody({ kind: 'KEYS' })(event) : event)),
    ],
  ],
];

const [tile, bundleOfEntries] = ['tile/0/000.p/39', 'tile/entries/000.p/39'];
export const change = (path: string, how: (bytes: Buffer) => Uint8Array | string) =>
  writeFileSync(path, how(readFileSync(path)));
export const changeEntries = (how: (entries: Uint8Array[]) => Uint8Array[]) => (bundle: string) =>
  change(join(bundle, bundleOfEntries), (bytes) => formatEntryBundle(how(parseEntryBundle(bytes))));
const remove =
  (...paths: string[]) =>
  (bundle: string) => {
    for (const path of paths) rmSync(join(bundle, path));
  };
const swapFirst = ([first, second, ...rest]: Uint8Array[]) => [second!, first!, ...rest];
export const altered = entriesOf([{ ...started, actor: 'node:b' }])[0]!;

/** What someone does to the bundle of the honest log, and what the verifiers say. */
const attacks: [what: string, exitCode: number, attack: (bundle: string) => unknown][] = [
  ['an entry is edited', 18, changeEntries((entries) => [altered, ...entries.slice(1)])],
  ['an entry is deleted', 19, changeEntries((entries) => entries.toSpliced(5, 1))],
  ['an entry is put in', 20, changeEntries((entries) => entries.toSpliced(5, 0, altered))],
  ['the last entries are cut off', 21, changeEntries((entries) => entries.slice(0, -3))],
  ['two entries change places', 18, changeEntries(swapFirst)],
  [
    'a leaf hash is changed',
    11,
    (bundle) => change(join(bundle, tile), (bytes) => bytes.with(0, bytes[0]! ^ 1)),
  ],
  [
    'entry and leaf hash are changed',
    11,
    async (bundle) => {
      const other = `${bundle}, forged`;
      await writeBundle(
        other,
        entriesOf(told('log.started', () => ({ ...started, actor: 'node:b' }))),
        signer,
      );
      for (const path of [tile, bundleOfEntries]) cpSync(join(other, path), join(bundle, path));
    },
  ],
  ['the only tile is gone', 21, remove(tile, bundleOfEntries)],
  ['the entries of the only tile are gone', 21, remove(bundleOfEntries)],
  ['the leaf hashes are gone', 11, remove(tile)],
  ['a file is put in', 16, (bundle) => writeFileSync(join(bundle, 'more'), '')],
  [
    'a file becomes a link',
    16,
    (bundle) => {
      remove('key')(bundle);
      symlinkSync('/dev/zero', join(bundle, 'key'));
    },
  ],
  [
    'a file becomes a pipe',
    16,
    (bundle) => {
      remove('checkpoint')(bundle);
      execFileSync('mkfifo', [join(bundle, 'checkpoint')]);
    },
  ],
  [
    'a file becomes a folder',
    16,
    (bundle) => {
      remove('checkpoint')(bundle);
      mkdirSync(join(bundle, 'checkpoint'));
    },
  ],
  ['the manifest is gone', 16, remove('bundle.json')],
  [
    'the manifest says part',
    16,
    (bundle) => writeFileSync(join(bundle, 'bundle.json'), '{"content":"part","format":1}'),
  ],
  ['a tile is short by a byte', 16, (bundle) => change(join(bundle, tile), (bytes) => bytes.subarray(1))],
  [
    'a bundle of entries is short by a byte',
    16,
    (bundle) => change(join(bundle, bundleOfEntries), (bytes) => bytes.subarray(0, -1)),
  ],
  [
    'the checkpoint is of another log',
    10,
    async (bundle) =>
      writeFileSync(
        join(bundle, 'checkpoint'),
        await checkpointOf(entriesOf(history), makeLogKey('kdh.other').signer),
      ),
  ],
  [
    'the checkpoint is signed by another key of that name',
    10,
    async (bundle) =>
      writeFileSync(
        join(bundle, 'checkpoint'),
        await checkpointOf(entriesOf(history), makeLogKey('kdh.test').signer),
      ),
  ],
  [
    'the size in the checkpoint is changed',
    10,
    (bundle) => change(join(bundle, 'checkpoint'), (bytes) => bytes.toString().replace('\n39\n', '\n40\n')),
  ],
  [
    'the size in the checkpoint is hostile',
    16,
    (bundle) =>
      change(join(bundle, 'checkpoint'), (bytes) =>
        bytes.toString().replace('\n39\n', `\n${'9'.repeat(30)}\n`),
      ),
  ],
  [
    'the key is of another log',
    10,
    (bundle) => writeFileSync(join(bundle, 'key'), `${makeLogKey('kdh.test').text}\n`),
  ],
];

/** The same, done to a bundle of three tiles. */
const attacksOnTiles: typeof attacks = [
  ['the first tile is gone', 19, remove('tile/0/000', 'tile/entries/000')],
  ['the entries of the first tile are gone', 19, remove('tile/entries/000')],
  ['the leaf hashes of the first tile are gone', 11, remove('tile/0/000')],
  ['the last tile is gone', 21, remove('tile/0/002.p/88', 'tile/entries/002.p/88')],
  ['the entries of the last tile are gone', 21, remove('tile/entries/002.p/88')],
];

export const part = [0, 7, 38];
const attacksOnParts: [what: string, exitCode: number, attack: (bundle: string) => unknown][] = [
  ['nothing', 0, () => {}],
  ['an entry is edited', 13, (bundle) => writeFileSync(join(bundle, 'entry/0.json'), altered)],
  ['an entry is taken out', 19, remove('entry/7.json')],
  ['a receipt is taken out', 13, remove('entry/7.tlog-proof')],
  [
    'an entry gets another index',
    13,
    (bundle) => {
      for (const kind of ['json', 'tlog-proof'])
        cpSync(join(bundle, `entry/7.${kind}`), join(bundle, `entry/8.${kind}`));
    },
  ],
  [
    'an entry gets an index beyond the log',
    16,
    (bundle) => {
      change(join(bundle, 'entry/7.tlog-proof'), (bytes) => bytes.toString().replace('index 7', 'index 77'));
      for (const kind of ['json', 'tlog-proof']) {
        cpSync(join(bundle, `entry/7.${kind}`), join(bundle, `entry/77.${kind}`));
        remove(`entry/7.${kind}`)(bundle);
      }
    },
  ],
  ['a file is put in', 16, (bundle) => writeFileSync(join(bundle, 'entry/07.json'), altered)],
];

/** A file of names in a bundle. */
const committed = (name: string, salt = Buffer.alloc(32, 7)): CommittedName => ({
  commitment: commitmentOf(salt, name),
  name,
  salt: salt.toString('hex').toUpperCase(),
});
export const ann = committed('Ann Żółć');
export const names = formatCommittedNames([ann, committed('bob')]);
const namesInBundles: [what: string, exitCode: number, file: string][] = [
  ['names', 0, names],
  ['nobody’s name', 0, ''],
  ['another name', 18, names.replace('bob', 'eve')],
  ['a name of the other’s commitment', 18, formatCommittedNames([{ ...committed('bob'), name: ann.name }])],
  ['another salt', 18, names.replace('0707', '0807')],
  ['another commitment', 18, formatCommittedNames([{ ...ann, commitment: committed('bob').commitment }])],
  ['half a commitment', 16, formatCommittedNames([{ ...ann, commitment: ann.commitment.slice(32) }])],
  ['a commitment in lower case', 16, names.replace(ann.commitment, ann.commitment.toLowerCase())],
  ['an empty name', 16, formatCommittedNames([committed('')])],
  ['a name that moves the cursor', 16, formatCommittedNames([committed('bob\u001b[2J')])],
  ['a name that is written backwards', 16, formatCommittedNames([committed('bob\u202e')])],
  ['a name with a lone surrogate', 16, names.replace('bob', '\\ud800')],
  ['a name that is a number', 16, names.replace('"bob"', '1')],
  ['a member too many', 16, names.replace('"name"', '"nam":1,"name"')],
  ['a line that is not canonical', 16, names.replace('"name":', '"name": ')],
  ['a line that is a list', 16, '[]\n'],
  ['a line that is null', 16, 'null\n'],
  ['no last line feed', 16, names.slice(0, -1)],
];
const withNames = (kind: string, part?: number[]): typeof bundles =>
  attacked(
    kind,
    namesInBundles.map(([what, exitCode, file]) => [
      what,
      exitCode,
      (bundle) => writeFileSync(join(bundle, 'names'), file),
    ]),
    history,
    part,
  );

/** The own log of HSM S1 with `length` records, and the hash of each. */
function hsmLog(length: number, event = 'command'): { lines: string[]; hashes: string[] } {
  const lines: string[] = [];
  const hashes: string[] = [];
  for (let seq = 1; seq <= length; seq++) {
    const prevHash = hashes.at(-1) ?? '0'.repeat(64);
    const line = JSON.stringify({ event, operations: seq, prevHash, seq });
    lines.push(line);
    hashes.push(createHash('sha256').update(line).digest('hex').toUpperCase());
  }
  return { lines, hashes };
}
const ofHsm = hsmLog(12);
const linesOfHsm = (change: (lines: string[]) => string[]) =>
  change(ofHsm.lines)
    .map((line) => `${line}\n`)
    .join('');
const editLine = (at: number) => (lines: string[]) =>
  lines.with(at - 1, lines[at - 1]!.replace('"command"', '"Command"'));
const anchoredAt = (seq: number): Event => ({
  ...started,
  type: 'hsm.anchored',
  body: { hsm: 'S1', operations: 7, log: { seq, hash: ofHsm.hashes[seq - 1]! } },
});
/** What someone does to the log of the HSM in a bundle whose history anchors records 4, 9 and 9 of 12. */
const hsmLogsInBundles: [what: string, exitCode: number, file: string, name?: string][] = [
  ['its log', 0, linesOfHsm((lines) => lines)],
  ['its log as it was at the last anchor', 0, linesOfHsm((lines) => lines.slice(0, 9))],
  ['a log that ends before the last anchor', 19, linesOfHsm((lines) => lines.slice(0, 8))],
  ['an empty log', 19, ''],
  ['a record that is edited before an anchor', 18, linesOfHsm(editLine(3))],
  ['the record of an anchor edited', 18, linesOfHsm(editLine(4))],
  ['a record that is edited after the last anchor', 18, linesOfHsm(editLine(11))],
  ['the last record edited, which nothing holds', 0, linesOfHsm(editLine(12))],
  ['a log that was made anew', 18, linesOfHsm(() => hsmLog(12, 'shutdown').lines)],
  [
    'the record of the last anchor edited, at the end',
    18,
    linesOfHsm((lines) => editLine(9)(lines.slice(0, 9))),
  ],
  ['a record left out', 14, linesOfHsm((lines) => lines.toSpliced(5, 1))],
  ['a record put in', 14, linesOfHsm((lines) => lines.toSpliced(5, 0, lines[4]!))],
  ['a record left out after the last anchor', 14, linesOfHsm((lines) => lines.toSpliced(10, 1))],
  ['no last line feed', 16, linesOfHsm((lines) => lines).slice(0, -1)],
  [
    'a line that is not canonical',
    16,
    linesOfHsm((lines) => lines.with(2, lines[2]!.replace('"seq":', '"seq": '))),
  ],
  ['a line that is no JSON', 16, linesOfHsm((lines) => lines.with(2, 'x'))],
  ['a line that is null', 16, linesOfHsm((lines) => lines.with(2, 'null'))],
  ['a line that is a list', 16, linesOfHsm((lines) => lines.with(2, '[]'))],
  [
    'a number that is true',
    16,
    linesOfHsm((lines) => lines.with(0, lines[0]!.replace(/"seq":1/, '"seq":true'))),
  ],
  ['a line of hostile length', 16, linesOfHsm((lines) => lines.with(2, `"${'a'.repeat(70_000)}"`))],
  ['the log of another HSM', 0, linesOfHsm((lines) => lines), 'S2'],
  ['a broken log of another HSM', 18, linesOfHsm(editLine(3)), 'S2'],
  ['a log of a name that no HSM has', 16, linesOfHsm((lines) => lines), '.S1'],
];
const putHsmLog =
  (file: string, name = 'S1') =>
  (bundle: string) => {
    mkdirSync(join(bundle, 'hsm-log'));
    writeFileSync(join(bundle, 'hsm-log', name), file);
  };

/** Every bundle above: its name, the exit code, and how it is made. */
export const bundles: [what: string, exitCode: number, make: (bundle: string) => Promise<unknown>][] = [
  ...[...signedHistories, ...signedMoves].map(([what, exitCode, events]): (typeof bundles)[number] => [
    `signed: ${what}`,
    exitCode,
    (bundle) => writeBundle(bundle, entriesOf(events), signer),
  ]),
  ...attacked('whole', attacks, history),
  ...attacked('tiles', attacksOnTiles, manyEvents),
  ...attacked('part', attacksOnParts, history, part),
  ...attacked(
    'whole with the log of an HSM',
    hsmLogsInBundles.map(([what, exitCode, file, name]) => [what, exitCode, putHsmLog(file, name)]),
    [...history, anchoredAt(4), anchoredAt(9), anchoredAt(9)],
  ),
  ...attacked(
    'part with the log of an HSM',
    [['its log', 16, putHsmLog(linesOfHsm((lines) => lines))]],
    history,
    part,
  ),
  ...withNames('whole with'),
  ...withNames('part with', part),
];

function attacked(kind: string, table: typeof attacks, events: Event[], part?: number[]): typeof bundles {
  return table.map(([what, exitCode, attack]) => [
    `${kind}: ${what}`,
    exitCode,
    async (bundle) => {
      await writeBundle(bundle, entriesOf(events), signer, part);
      await attack(bundle);
    },
  ]);
}
