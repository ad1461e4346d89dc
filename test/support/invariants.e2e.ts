import { sign, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalCa } from '@openkdh/pki';
import { loadResultSignedBytes } from '@openkdh/terminal-protocol';
import { CompactRange, leafHash } from '@openkdh/transparency-log';
import type { EventRow, History } from './history.ts';
import { violations, type Witnesses } from './invariants.ts';

/** A history is JSON, and so is its copy. */
const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

type Told = { history: History; witnesses: Witnesses };

const attempt = '0197fa2c-0000-7000-8000-000000000001';
const at = (second: number): string => new Date(Date.UTC(2026, 10, 24, 7) + second * 1000).toISOString();

const aesKsn = (device: number): string => `12345678${String(device).padStart(8, '0')}00000000`;

/** A terminal that got one key: nothing is wrong with it. */
async function healthy(): Promise<Told> {
  const ca = await createLocalCa({ commonName: 'Terminal CA', notBefore: new Date() });
  const signing = await ca.issueClient({ commonName: 'SIM-000001' });
  const ksn = aesKsn(1);
  const signed = {
    attempt,
    epoch: 1,
    planHash: 'A'.repeat(64),
    nonceK2: Buffer.alloc(16).toString('base64'),
    results: [{ slot: 'PIN', code: 0, kcv: 'ABCDEF', ksn }],
  };
  const signature = sign('sha256', loadResultSignedBytes(signed, 'SIM-000001'), signing.privateKey).toString(
    'base64',
  );
  const moves = [
    { type: 'attempt.requested', body: { rule: 'none' } },
    { type: 'attempt.ksn_reserved', body: { version: 3, ksns: [ksn] } },
    { type: 'attempt.deriving', body: { version: 4 } },
    { type: 'attempt.dispatchable', body: { version: 6, through: ['WRAPPED'] } },
    { type: 'attempt.sent', body: { version: 7, epoch: 1 } },
    { type: 'attempt.confirmed', body: { version: 9, through: ['RESULT_RECEIVED'] } },
  ];
  const events = [
    { type: 'session.opened', attemptId: null, body: { epoch: 1 } },
    { type: 'terminal.bound', attemptId: null, body: {} },
    ...moves.map((move) => ({ ...move, attemptId: attempt })),
  ].map((event, index): EventRow => ({ id: 10 * (index + 1), time: at(index), terminalId: 't', ...event }));
  const leaves = events.map(({ id, type, body }, index) => ({
    index,
    entry: JSON.stringify({ id: String(id), type, body }),
  }));
  const log = treeOf(leaves.map(({ entry }) => entry));
  const history: History = {
    terminals: [
      {
        id: 't',
        serial: 'SIM-000001',
        state: 'ACTIVE',
        signingCertificate: new X509Certificate(signing.certificate).raw.toString('base64'),
      },
    ],
    attempts: [
      {
        id: attempt,
        terminalId: 't',
        kind: 'KEYS',
        number: 1,
        state: 'CONFIRMED',
        version: 9,
        planHash: signed.planHash,
        sentEpochs: [1],
        result: { ...signed, signature },
        overdueSeconds: null,
      },
    ],
    keys: [
      {
        attemptId: attempt,
        slot: 'PIN',
        bdkId: 'b',
        ksn,
        kcvExpected: 'ABCDEF',
        kcvReported: 'ABCDEF',
        hasBlock: false,
        blockSha256: 'B'.repeat(64),
        burned: false,
      },
    ],
    events,
    leaves,
    checkpoints: [{ size: log.size, note: `origin\n${log.size}\n${log.root}\n\nsignature\n` }],
    jobs: [`{"attempts":["${attempt}"]}`],
  };
  const held = [
    { serial: 'SIM-000001', slot: 'PIN', algorithm: 'A128', ksn, kcv: 'ABCDEF', sha256: 'C'.repeat(64) },
  ];
  return {
    history,
    witnesses: {
      held,
      acknowledged: [{ attempt, time: at(30) }],
      stored: [{ attempt, time: at(20) }],
      released: 1,
      logs: '{"event":"ready"}',
      earlier: copyOf(history),
      honest: true,
      atRest: true,
    },
  };
}

/** Size and root, base64. */
function treeOf(entries: string[]): { size: number; root: string } {
  const range = CompactRange.empty();
  for (const entry of entries) range.append(leafHash(Buffer.from(entry)));
  return { size: entries.length, root: Buffer.from(range.root()).toString('base64') };
}

const eventOf = ({ history }: Told, type: string): EventRow =>
  history.events.find((event) => event.type === type)!;
/** Puts an event before the one of type `next`. */
const insertBefore = (told: Told, next: string, event: Partial<EventRow> & { type: string }): void => {
  const following = eventOf(told, next);
  const { events } = told.history;
  const row = { time: following.time, terminalId: 't', attemptId: null, body: {}, id: following.id - 1 };
  events.splice(events.indexOf(following), 0, { ...row, ...event });
};

/** What is done to the healthy history, and the rule that must find it. */
const tampered: [rule: string, tamper: (told: Told) => unknown][] = [
  ['I1', ({ history }) => history.keys.push({ ...history.keys[0]!, attemptId: 'another' })],
  [
    'I1: the KSNs',
    (told) => Object.assign(eventOf(told, 'attempt.ksn_reserved').body, { ksns: [aesKsn(2)] }),
  ],
  ['I2', ({ witnesses }) => witnesses.held!.push({ ...witnesses.held![0]!, slot: 'DATA' })],
  [
    'I3',
    ({ history }) =>
      Object.assign(history, { events: history.events.filter((event) => event.type !== 'attempt.deriving') }),
  ],
  ['I3', ({ witnesses }) => Object.assign(witnesses, { released: 2 })],
  ['I3', ({ witnesses }) => Object.assign(witnesses, { released: 0 })],
  ['I4: CONFIRMED', ({ history }) => Object.assign(history.attempts[0]!.result!, { epoch: 2 })],
  ['I4: CONFIRMED', ({ history }) => Object.assign(history.attempts[0]!, { result: null })],
  ['I4: CONFIRMED', ({ history }) => Object.assign(history.keys[0]!, { kcvExpected: '000000' })],
  ['I4: CONFIRMED', ({ history }) => Object.assign(history.attempts[0]!, { sentEpochs: [2] })],
  ['I4: what was confirmed last', ({ witnesses }) => Object.assign(witnesses.held![0]!, { kcv: '000000' })],
  ['I4: a terminal is told', ({ witnesses }) => Object.assign(witnesses.acknowledged![0]!, { time: at(0) })],
  ['I5: each version', ({ history }) => Object.assign(history.attempts[0]!, { version: 10 })],
  [
    'I5: each version',
    (told) =>
      insertBefore(told, 'attempt.confirmed', { type: 'attempt.failed', attemptId: attempt, body: {} }),
  ],
  ['I5: each version', (told) => Object.assign(eventOf(told, 'attempt.confirmed').body, { through: [] })],
  ['I5: each version', (told) => Object.assign(eventOf(told, 'attempt.dispatchable').body, { version: 5 })],
  ['I5: nobody', ({ history }) => Object.assign(history.attempts[0]!, { overdueSeconds: 61 })],
  [
    'I5: the newest',
    (told) => insertBefore(told, 'attempt.sent', { type: 'session.opened', body: { epoch: 2 } }),
  ],
  ['I6', (told) => insertBefore(told, 'attempt.sent', { type: 'terminal.revoked' })],
  ['I6', (told) => insertBefore(told, 'attempt.sent', { type: 'terminal.suspended' })],
  [
    'I6',
    ({ history }) =>
      Object.assign(history, { events: history.events.filter((event) => event.type !== 'terminal.bound') }),
  ],
  ['I6: bytes leave', ({ witnesses }) => Object.assign(witnesses.stored![0]!, { time: at(0) })],
  ['I7', (told) => Object.assign(eventOf(told, 'attempt.requested').body, { rule: undefined })],
  [
    'I7',
    (told) => {
      Object.assign(eventOf(told, 'attempt.requested').body, { rule: undefined });
      insertBefore(told, 'attempt.ksn_reserved', {
        type: 'attempt.approved',
        attemptId: attempt,
        body: { version: 2 },
      });
    },
  ],
  ['I8: no event', (told) => Object.assign(eventOf(told, 'attempt.sent'), { time: at(59) })],
  ['I8: no event', ({ history }) => history.events.shift()],
  ['I8: the log', ({ history }) => Object.assign(history.leaves[1]!, { index: 2 })],
  [
    'I8: the log',
    ({ history }) => history.leaves.push({ ...history.leaves[0]!, index: history.leaves.length }),
  ],
  ['I8: the log', (told) => Object.assign(eventOf(told, 'attempt.sent').body, { epoch: 2 })],
  ['I8: the log', ({ history }) => history.leaves.pop()],
  ['I8: the log', ({ history }) => Object.assign(history.checkpoints[0]!, { size: 2 })],
  ['I8: the log', ({ history }) => history.events.unshift({ ...history.events[0]!, id: 1, time: at(-120) })],
  ['I9', (told) => insertBefore(told, 'attempt.sent', { type: 'bdk.frozen', body: { id: 'b' } })],
  ['I10', ({ history }) => history.jobs.push('D0144B1AX00N0200')],
  ['I10', ({ witnesses }) => Object.assign(witnesses, { logs: 'tr31: B0104B1TX00N0200' })],
  ['I11', ({ witnesses }) => Object.assign(witnesses.held![0]!, { serial: 'SIM-000002' })],
  ['I12', ({ history }) => Object.assign(history.attempts[0]!, { state: 'SENT' })],
  [
    'a terminal that does not lie',
    ({ history }) => Object.assign(history.attempts[0]!, { state: 'QUARANTINED' }),
  ],
  ['the numbers', ({ history }) => Object.assign(history.attempts[0]!, { number: 2 })],
  ['PCI PIN 24', ({ history }) => Object.assign(history.keys[0]!, { hasBlock: true })],
  ['PCI PIN 24', ({ history }) => Object.assign(history.keys[0]!, { burned: true })],
];

describe('the checker of the invariants', () => {
  let told: Told;
  beforeAll(async () => {
    told = await healthy();
  });

  test('finds nothing in a history that is as it should be', () => {
    expect(violations(told.history, told.witnesses)).toEqual([]);
  });

  test.each(tampered)('finds what breaks %s (%#)', (rule, tamper) => {
    const broken = copyOf(told);
    tamper(broken);
    expect(violations(broken.history, broken.witnesses)).toContainEqual(expect.stringMatching(`^${rule}`));
  });

  test('a terminal that is released again may be sent to, as may a BDK', () => {
    const again = copyOf(told);
    for (const [type, body] of [
      ['terminal.suspended', {}],
      ['bdk.frozen', { id: 'b' }],
      ['bdk.released', { id: 'b' }],
      ['terminal.active', {}],
    ] as const) {
      insertBefore(again, 'attempt.sent', { type, body });
    }
    expect(violations(again.history, again.witnesses)).toEqual([]);
  });
});
