import { randomBytes, verify, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { fingerprint } from '@openkdh/pki';
import {
  type LoadKbpk,
  type LoadKeys,
  type LoadResult,
  loadResultSignedBytes,
  planHash,
  protocolCodes,
  type TerminalMessage,
  tokenHash,
} from '@openkdh/terminal-protocol';
import { parseRandomToken } from '@openkdh/tr34';
import type { Slot } from './record.ts';
import { eraseReplaced, hello, isLoaded, type Terminal } from './terminal.ts';
import { aesInitialKey, profileKeys, TestKdh } from './testing/kdh.ts';
import { serialNumberOf } from './testing/pki.ts';
import { deliver, enrolledTerminal, krdCertificate, messageId, welcomed } from './testing/terminal.ts';

const kbpk = randomBytes(16);
let kdh: TestKdh;
let enrolled: Terminal;
let bound: Terminal;
let nonce: Uint8Array;
let holdsKbpk: Terminal;

beforeAll(async () => {
  kdh = await TestKdh.create();
  enrolled = await enrolledTerminal(kdh);
  const { terminal } = await welcomed(enrolled, 1);
  ({ terminal: bound, nonce } = await bind(terminal));
  ({ terminal: holdsKbpk } = await deliver(bound, { t: 'LOAD_KBPK', b: await kbpkLoad() }));
});

async function bind(terminal: Terminal) {
  const token = Buffer.from(await kdh.credential()).toString('base64');
  const challenged = await deliver(terminal, { t: 'BIND_CHALLENGE', b: { token } });
  const answered = await deliver(challenged.terminal, { t: 'BIND', b: fingerprints() });
  return { ...answered, nonce: nonceIn(challenged.sent) };
}

const fingerprints = () => ({
  kdhCertificateFingerprint: fingerprint(kdh.pki.signing.certificate),
  krdCertificateFingerprint: fingerprint(krdCertificate(enrolled)),
});

function kbpkLoad(change: Partial<Parameters<TestKdh['loadKbpk']>[1]> = {}): Promise<LoadKbpk> {
  return kdh.loadKbpk(kbpk, { epoch: 1, krdCertificate: krdCertificate(enrolled), nonce, ...change });
}

const keysLoad = (device = 1): LoadKeys => kdh.loadKeys(1, profileKeys(kbpk, device));

function nonceIn(sent: TerminalMessage[]): Uint8Array {
  const random = sent.find(({ t }) => t === 'RANDOM') as Extract<TerminalMessage, { t: 'RANDOM' }>;
  return parseRandomToken(Buffer.from(random.b.token, 'base64'));
}

function resultIn(sent: TerminalMessage[]): LoadResult {
  const [result] = sent as [Extract<TerminalMessage, { t: 'LOAD_RESULT' }>];
  expect(result.t).toBe('LOAD_RESULT');
  return result.b;
}

const codesOf = ({ results }: LoadResult) => results.map(({ slot, code }) => [slot, code]);

/** The keys that a decision stores, by name. */
const storedSlots = (terminal: Terminal) => Object.keys(terminal.record.slots);

describe('WELCOME', () => {
  test('the epoch is stored, and has to rise', async () => {
    const { terminal, decision } = await welcomed(enrolled, 7);
    expect(decision.change?.epoch).toBe(7);
    for (const epoch of [1, 6, 7]) {
      await expect(welcomed(terminal, epoch)).rejects.toMatchObject({
        code: 'SUPERSEDED_SESSION',
        fatal: true,
      });
    }
    await welcomed(terminal, 8);
  });

  test('without a binding the terminal asks for one', async () => {
    const { sent } = await welcomed(enrolled, 1);
    expect(sent.map(({ t }) => t)).toEqual(['BIND_REQ']);
  });

  test('bound but without a KBPK it repeats the outstanding nonce', async () => {
    const { sent, decision } = await welcomed(bound, 2);
    expect(nonceIn(sent)).toEqual(nonce);
    expect(decision.change?.nonce).toEqual(nonce);
  });

  test('with a KBPK it repeats only what was not acknowledged', async () => {
    const { sent } = await welcomed(holdsKbpk, 2);
    expect(sent).toEqual([{ t: 'LOAD_RESULT', b: holdsKbpk.record.results[0]!.result }]);
    const { attempt } = holdsKbpk.record.results[0]!.result;
    const acknowledged = await deliver(holdsKbpk, { t: 'LOAD_ACK', b: { attempt, verdict: 'ACCEPTED' } });
    expect((await welcomed(acknowledged.terminal, 2)).sent).toEqual([]);
  });
});

describe('binding', () => {
  test('the nonce is stored before it is sent', async () => {
    const token = Buffer.from(await kdh.credential()).toString('base64');
    const { decision, sent } = await deliver(enrolled, { t: 'BIND_CHALLENGE', b: { token } });
    expect(decision.change?.nonce).toEqual(nonceIn(sent));
    expect(decision.change?.boundKdh).toBeUndefined();
  });

  test('HELLO names the bound KDH', () => {
    const { kdhCertificateFingerprint } = fingerprints();
    expect(hello('T', enrolled.record, nonce).b).toMatchObject({ bindState: null });
    expect(hello('T', bound.record, nonce).b).toMatchObject({ bindState: { kdhCertificateFingerprint } });
  });

  test.each(['kdhCertificateFingerprint', 'krdCertificateFingerprint'] as const)(
    'BIND with another %s',
    async (one) => {
      const token = Buffer.from(await kdh.credential()).toString('base64');
      const { terminal } = await deliver(enrolled, { t: 'BIND_CHALLENGE', b: { token } });
      const other = { ...fingerprints(), [one]: '0'.repeat(64) };
      await expect(deliver(terminal, { t: 'BIND', b: other })).rejects.toMatchObject({ code: 'BAD_TOKEN' });
    },
  );

  test('a KDH of another CA, with a stale CRL, or a revoked one is refused', async () => {
    const stranger = await TestKdh.create();
    const { pki } = kdh;
    const refused = async (credential: Uint8Array) => {
      const token = Buffer.from(credential).toString('base64');
      return deliver(enrolled, { t: 'BIND_CHALLENGE', b: { token } });
    };
    const stale = await pki.crl({ thisUpdate: new Date(Date.now() - 86_400_000) });
    const revoked = await pki.crl({ revoked: [serialNumberOf(pki.signing.certificate)] });
    await expect(refused(await stranger.credential())).rejects.toMatchObject({ code: 'BAD_TOKEN' });
    await expect(refused(await kdh.credential(stale))).rejects.toMatchObject({ code: 'CRL_STALE' });
    await expect(refused(await kdh.credential(revoked))).rejects.toMatchObject({ code: 'BAD_TOKEN' });
    await expect(refused(randomBytes(100))).rejects.toMatchObject({ code: 'BAD_TOKEN' });
  });
});

describe('LOAD_KBPK', () => {
  test('key, signed result, and the end of the nonce are stored in one piece', async () => {
    const load = await kbpkLoad();
    const { decision, sent } = await deliver(bound, { t: 'LOAD_KBPK', b: load });
    const result = resultIn(sent);
    expect(codesOf(result)).toEqual([['KBPK-AES', 0]]);
    expect(result).toMatchObject({ attempt: load.attempt, epoch: 1, nonceK2: load.nonceK2 });
    expect(result.planHash).toBe(tokenHash(load.token));
    expect(result.results[0]!.kcv).toBe(load.kcv);
    expect(decision.send![0]!.re).toBe(messageId);
    expect(decision.change).toMatchObject({
      slots: { 'KBPK-AES': { usage: 'K1', algorithm: 'A128', kcv: load.kcv, attempt: load.attempt } },
      result,
      nonce: undefined,
    });
    expect(isSignedBy(bound, result)).toBe(true);
  });

  test('a TDES KBPK goes to the slot of its own', async () => {
    const tdes = randomBytes(24);
    const request = { epoch: 1, krdCertificate: krdCertificate(enrolled), nonce, header: 'D0000K1TB00N0000' };
    const { terminal } = await deliver(bound, { t: 'LOAD_KBPK', b: await kdh.loadKbpk(tdes, request) });
    expect(storedSlots(terminal)).toEqual(['KBPK-TDES']);
  });

  test.each<[string, number, (load: LoadKbpk) => Promise<LoadKbpk> | LoadKbpk]>([
    ['for another KRD', 3003, async () => kbpkLoad({ krdCertificate: await otherKrd() })],
    ['with another nonce', 3004, () => kbpkLoad({ nonce: randomBytes(16) })],
    ['with a flipped bit', 3003, (load) => ({ ...load, token: flipped(load.token) })],
    [
      'of another KDH',
      3002,
      async () =>
        (await TestKdh.create()).loadKbpk(kbpk, {
          epoch: 1,
          nonce,
          krdCertificate: krdCertificate(enrolled),
          trust: kdh.pki.terminalCa,
        }),
    ],
    ['with a revoked KDH', 3003, async () => kbpkLoad({ crl: await revokedCrl() })],
    ['with a stale CRL', 3005, async () => kbpkLoad({ crl: await kdh.pki.crl({ thisUpdate: new Date(0) }) })],
    ['that is no KBPK', 4002, () => kbpkLoad({ header: 'D0000P0AE00N0000' })],
    ['with another KCV', 4005, (load) => ({ ...load, kcv: 'ABCDEF' })],
    ['that has expired', 4007, (load) => ({ ...load, expiresAt: new Date(Date.now() - 1).toISOString() })],
  ])('a token %s', async (_name, code, change) => {
    const load = await change(await kbpkLoad());
    const { terminal, sent } = await deliver(bound, { t: 'LOAD_KBPK', b: load });
    const result = resultIn(sent);
    expect(codesOf(result)).toEqual([['KBPK', code]]);
    expect(isSignedBy(bound, result)).toBe(true);
    expect(storedSlots(terminal)).toEqual([]);
    expect(terminal.record.results).toEqual([{ result }]);
  });

  test('the same token once more: the stored result, nothing else', async () => {
    const load = await kbpkLoad();
    const first = await deliver(bound, { t: 'LOAD_KBPK', b: load });
    const second = await deliver(first.terminal, { t: 'LOAD_KBPK', b: load });
    expect(second.sent).toEqual(first.sent);
    expect(second.decision.change).toBeUndefined();
  });

  test('the same token as another attempt is a replay', async () => {
    const load = await kbpkLoad();
    const { terminal } = await deliver(bound, { t: 'LOAD_KBPK', b: load });
    const attempt = '00000000-0000-4000-8000-000000000001';
    const { sent } = await deliver(terminal, { t: 'LOAD_KBPK', b: { ...load, attempt } });
    expect(codesOf(resultIn(sent))).toEqual([['KBPK', protocolCodes.REPLAY.number]]);
  });

  test('a refused token uses the nonce up if it is the outstanding one, and only then', async () => {
    const used = await deliver(bound, { t: 'LOAD_KBPK', b: await kbpkLoad({ header: 'D0000P0AE00N0000' }) });
    expect(used.terminal.record.nonce).toBeUndefined();
    const other = await deliver(bound, { t: 'LOAD_KBPK', b: await kbpkLoad({ nonce: randomBytes(16) }) });
    expect(other.terminal.record.nonce).toEqual(nonce);
  });

  test('another token as the same attempt', async () => {
    const load = await kbpkLoad();
    const { terminal } = await deliver(bound, { t: 'LOAD_KBPK', b: load });
    const other = { ...(await kbpkLoad()), attempt: load.attempt };
    await expect(deliver(terminal, { t: 'LOAD_KBPK', b: other })).rejects.toMatchObject({ code: 'KSN_SEEN' });
  });
});

describe('LOAD_KEYS', () => {
  test('all slots and the signed result are stored in one piece', async () => {
    const load = keysLoad();
    const { decision, sent, terminal } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: load });
    const result = resultIn(sent);
    expect(result.results).toEqual(
      load.plan.map(({ slot, kcv, ksn }) => ({ slot, code: 0, kcv, ...(ksn && { ksn }) })),
    );
    expect(result.planHash).toBe(load.planHash);
    expect(isSignedBy(holdsKbpk, result)).toBe(true);
    expect(Object.keys(decision.change!.slots!)).toEqual(['KBPK-TDES', 'PIN', 'DATA']);
    expect(storedSlots(terminal)).toEqual(['KBPK-AES', 'KBPK-TDES', 'PIN', 'DATA']);
    expect(decision.change!.result).toEqual(result);
    expect(isLoaded(terminal.record)).toBe(false); // not acknowledged
  });

  test('once every result is acknowledged the terminal is loaded', async () => {
    let { terminal } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: keysLoad() });
    for (const { result } of terminal.record.results) {
      expect(isLoaded(terminal.record)).toBe(false);
      const ack = { attempt: result.attempt, verdict: 'ACCEPTED' as const };
      ({ terminal } = await deliver(terminal, { t: 'LOAD_ACK', b: ack }));
    }
    expect(isLoaded(terminal.record)).toBe(true);
  });

  test('one bad slot: none is stored, and each says so', async () => {
    const load = keysLoad();
    const plan = load.plan.map((entry) => (entry.slot === 'PIN' ? { ...entry, kcv: 'ABCDEF' } : entry));
    const bad = { ...load, plan, planHash: planHash(plan) };
    const { sent, terminal } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: bad });
    expect(codesOf(resultIn(sent))).toEqual([
      ['PIN', protocolCodes.KCV_MISMATCH.number],
      ['KBPK-TDES', protocolCodes.STORAGE.number],
      ['DATA', protocolCodes.STORAGE.number],
    ]);
    expect(terminal.record.slots).toBe(holdsKbpk.record.slots);
  });

  test('a block whose bit turned over on the way into the secure processor', async () => {
    const keyBlock = (tr31: string) => tr31.slice(0, -1) + (tr31.endsWith('0') ? '1' : '0');
    const { sent } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: keysLoad() }, { keyBlock });
    const { BAD_KEYBLOCK_MAC } = protocolCodes;
    expect(codesOf(resultIn(sent)).map(([, code]) => code)).toEqual(Array(3).fill(BAD_KEYBLOCK_MAC.number));
  });

  test('an expired plan', async () => {
    const load = { ...keysLoad(), expiresAt: new Date().toISOString() };
    const { sent } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: load });
    expect(codesOf(resultIn(sent)).every(([, code]) => code === protocolCodes.EXPIRED.number)).toBe(true);
  });

  test('another plan than was hashed: told, and the attempt is not used up', async () => {
    const load = keysLoad();
    const bad = { ...load, plan: load.plan.slice(1) };
    await expect(deliver(holdsKbpk, { t: 'LOAD_KEYS', b: bad })).rejects.toMatchObject({ code: 'PLAN_HASH' });
    const { sent } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: load });
    expect(codesOf(resultIn(sent)).every(([, code]) => code === 0)).toBe(true);
  });

  test('of another epoch, in either direction', async () => {
    const { terminal } = await welcomed(holdsKbpk, 5);
    for (const epoch of [1, 4, 6]) {
      const load = { ...keysLoad(), epoch };
      const refusal = deliver(terminal, { t: 'LOAD_KEYS', b: load });
      await expect(refusal).rejects.toMatchObject({ code: 'SUPERSEDED_SESSION' });
    }
  });

  test('the same plan in a later session: the stored result as it was', async () => {
    const load = keysLoad();
    const first = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: load });
    const { terminal } = await welcomed(first.terminal, 2);
    const second = await deliver(terminal, { t: 'LOAD_KEYS', b: { ...load, epoch: 2 } });
    expect(second.sent).toEqual(first.sent);
    expect(resultIn(second.sent).epoch).toBe(1);
    expect(second.decision.change).toBeUndefined();
  });

  test('other bytes for the same attempt', async () => {
    const load = keysLoad(1);
    const { terminal } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: load });
    const other = { ...keysLoad(2), attempt: load.attempt };
    await expect(deliver(terminal, { t: 'LOAD_KEYS', b: other })).rejects.toMatchObject({ code: 'KSN_SEEN' });
  });

  test('a KSN that was loaded before', async () => {
    const { terminal } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: keysLoad(1) });
    const { sent } = await deliver(terminal, { t: 'LOAD_KEYS', b: keysLoad(1) });
    const { KSN_SEEN, STORAGE } = protocolCodes;
    expect(codesOf(resultIn(sent))).toEqual([
      ['PIN', KSN_SEEN.number],
      ['DATA', KSN_SEEN.number],
      ['KBPK-TDES', STORAGE.number],
    ]);
    const replaced = await deliver(terminal, { t: 'LOAD_KEYS', b: keysLoad(2) });
    const again = await deliver(replaced.terminal, { t: 'LOAD_KEYS', b: keysLoad(1) });
    expect(codesOf(resultIn(again.sent))[0]).toEqual(['PIN', KSN_SEEN.number]);
  });

  test('keys that were replaced are filled with zeros, the others are left alone', async () => {
    const { terminal: before } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: keysLoad(1) });
    const next = kdh.loadKeys(1, [aesInitialKey('PIN', kbpk, 2)]);
    const { terminal: after } = await deliver(before, { t: 'LOAD_KEYS', b: next });
    eraseReplaced(before.record, after.record);
    const isErased = (slot: Slot) =>
      (slot.usage === 'K1' ? slot.key : slot.registers).every((byte) => byte === 0);
    expect(Object.values(before.record.slots).map(isErased)).toEqual([false, false, true, false]);
    expect(Object.values(after.record.slots).map(isErased)).toEqual([false, false, false, false]);
  });

  test('before BIND', async () => {
    const refusal = deliver(enrolled, { t: 'LOAD_KEYS', b: keysLoad() });
    await expect(refusal).rejects.toMatchObject({ code: 'NOT_BOUND' });
  });
});

describe('QUERY', () => {
  test('of an attempt: the stored result, unchanged', async () => {
    const { result } = holdsKbpk.record.results[0]!;
    const { sent } = await deliver(holdsKbpk, { t: 'QUERY', b: { attempt: result.attempt } });
    expect(sent).toEqual([{ t: 'LOAD_RESULT', b: result }]);
  });

  test('of an unknown attempt', async () => {
    const attempt = '00000000-0000-4000-8000-000000000001';
    await expect(deliver(holdsKbpk, { t: 'QUERY', b: { attempt } })).rejects.toMatchObject({
      code: 'UNKNOWN_ATTEMPT',
    });
  });

  test('of the inventory: what is held, without keys', async () => {
    const load = keysLoad();
    const { terminal } = await deliver(holdsKbpk, { t: 'LOAD_KEYS', b: load });
    const { sent } = await deliver(terminal, { t: 'QUERY', b: { inventory: true } });
    const [inventory] = sent as [Extract<TerminalMessage, { t: 'INVENTORY' }>];
    expect(inventory.b.slots.map(({ slot, usage, algorithm }) => [slot, usage, algorithm])).toEqual([
      ['KBPK-AES', 'K1', 'A128'],
      ['KBPK-TDES', 'K1', 'T3'],
      ['PIN', 'B1', 'A128'],
      ['DATA', 'B1', 'T2'],
    ]);
    for (const slot of inventory.b.slots) {
      expect(Object.keys(slot).sort()).toEqual([
        'algorithm',
        'attempt',
        'kcv',
        ...(slot.usage === 'B1' ? ['ksn'] : []),
        'loadedAt',
        'slot',
        'usage',
      ]);
    }
  });

  test('four results are kept; one that is not acknowledged goes last', async () => {
    let terminal = holdsKbpk;
    const attempts: string[] = [];
    for (let device = 1; device <= 20; device++) {
      const load = kdh.loadKeys(1, [aesInitialKey('PIN', kbpk, device)]);
      attempts.push(load.attempt);
      ({ terminal } = await deliver(terminal, { t: 'LOAD_KEYS', b: load }));
      if (device === 1) continue; // never acknowledged
      const ack = { attempt: load.attempt, verdict: 'ACCEPTED' as const };
      ({ terminal } = await deliver(terminal, { t: 'LOAD_ACK', b: ack }));
    }
    const kept = terminal.record.results.map(({ result }) => result.attempt);
    expect(kept).toHaveLength(4);
    expect(kept).toContain(attempts[0]);
    expect(kept.slice(2)).toEqual(attempts.slice(-2));
  });
});

const otherKrd = async () => krdCertificate(await enrolledTerminal(kdh));
const revokedCrl = () => kdh.pki.crl({ number: 2, revoked: [serialNumberOf(kdh.pki.signing.certificate)] });

/** One bit in the middle of the base64 of a token: in the RSA-encrypted key or beside it. */
function flipped(token: string): string {
  const bytes = Buffer.from(token, 'base64');
  bytes[bytes.length >> 1]! ^= 1;
  return bytes.toString('base64');
}

function isSignedBy({ serial, record }: Terminal, result: LoadResult): boolean {
  const { publicKey } = new X509Certificate(record.enrolment!.certificates.signing);
  return verify(
    'sha256',
    loadResultSignedBytes(result, serial),
    publicKey,
    Buffer.from(result.signature, 'base64'),
  );
}
