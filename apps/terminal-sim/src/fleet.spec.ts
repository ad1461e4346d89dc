import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { protocolCodes } from '@openkdh/terminal-protocol';
import { Fleet, type FleetOptions } from './fleet.ts';
import { makeIdentity } from './identity.ts';
import { parseMisbehaviour } from './misbehaviour.ts';
import { type Change, changed, type Identity, type TerminalRecord } from './record.ts';
import { Store } from './store.ts';
import { isLoaded } from './terminal.ts';
import { KdhStub } from './testing/kdh-stub.ts';

let stub: KdhStub;
let folder: string;
let store: Store<TerminalRecord, Change>;
let identity: Identity;
let events: { event: string; serial?: string; [field: string]: unknown }[];

beforeAll(async () => {
  stub = await KdhStub.start();
  identity = await makeIdentity();
});
afterAll(() => stub.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openkdh-fleet-'));
  await writeFile(join(folder, 'token'), 'test-token\n');
  store = await Store.open(join(folder, 'state'), changed);
  await store.commit('T-1', { identity, epoch: 0, slots: {}, results: [] }); // RSA keys take their time
  events = [];
  stub.faults = {};
  stub.terminals.clear();
  stub.received.length = 0;
  stub.refusals.length = 0;
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

function fleet(serials: string[], options: Partial<FleetOptions> = {}): Fleet {
  return new Fleet({
    serials,
    kdh: stub.kdh,
    enrolment: { api: stub.api, tokenFile: join(folder, 'token'), profileId: 'profile' },
    misdemeanours: [],
    store,
    log: (_level, event, _msg, fields) => events.push({ event, ...fields }),
    random: () => 0, // terminals come back at once
    ...options,
  });
}

/** Runs a fleet until `done`, then stops it. */
async function runUntil(running: Fleet, done: () => boolean): Promise<void> {
  const ended = running.run();
  const deadline = performance.now() + 60_000;
  while (!done() && performance.now() < deadline) await sleep(10);
  running.stop();
  await ended;
  expect(done()).toBe(true);
}

const seen = (event: string) => events.some((one) => one.event === event);
const isFleetLoaded = () => seen('fleet-loaded');
const sentTypes = (serial: string) =>
  stub.received.filter((one) => one.serial === serial).map(({ message }) => message.t);
const misbehaving = (text: string): Partial<FleetOptions> => ({ misdemeanours: [parseMisbehaviour(text)] });

describe('the way that goes right', () => {
  test('terminals are enrolled and bound and hold the keys of their profile', async () => {
    const serials = ['T-1', 'T-2', 'T-3'];
    const oracleFile = join(folder, 'oracle');
    await runUntil(fleet(serials, { oracleFile }), isFleetLoaded);
    for (const serial of serials) {
      const record = store.records.get(serial)!;
      expect(Object.keys(record.slots)).toEqual(['KBPK-AES', 'KBPK-TDES', 'PIN', 'DATA']);
      expect(isLoaded(record)).toBe(true);
      expect(stub.terminals.get(serial)!.results.map(({ results }) => results)).toEqual([
        [{ slot: 'KBPK-AES', code: 0, kcv: expect.any(String) }],
        ['KBPK-TDES', 'PIN', 'DATA'].map((slot) => expect.objectContaining({ slot, code: 0 })),
      ]);
      expect(sentTypes(serial)).toEqual(['HELLO', 'BIND_REQ', 'RANDOM', 'LOAD_RESULT', 'LOAD_RESULT']);
    }
    expect(stub.refusals).toEqual([]);

    const oracle = (await readFile(oracleFile, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(oracle).toHaveLength(6);
    expect(new Set(oracle.map(({ sha256 }) => sha256)).size).toBe(6);
    expect((await stat(oracleFile)).mode & 0o777).toBe(0o600);
  });

  test('a second run carries on with what is stored', async () => {
    await runUntil(fleet(['T-1']), isFleetLoaded);
    await store.close();
    store = await Store.open(join(folder, 'state'), changed);
    events = [];
    stub.received.length = 0;
    await runUntil(fleet(['T-1']), () => seen('connected'));
    expect(seen('fleet-loaded')).toBe(true);
    expect(seen('enrolled')).toBe(false);
    expect(sentTypes('T-1')).toEqual(['HELLO']);
    expect(store.records.get('T-1')!.epoch).toBe(2);
  });

  test('the log names slots, KSNs and KCVs, and no key', async () => {
    await runUntil(fleet(['T-1']), isFleetLoaded);
    expect(events).toContainEqual({
      event: 'loaded',
      serial: 'T-1',
      attempt: expect.any(String),
      slots: [
        { slot: 'PIN', algorithm: 'A128', ksn: expect.any(String), kcv: expect.any(String) },
        { slot: 'DATA', algorithm: 'T2', ksn: expect.any(String), kcv: expect.any(String) },
      ],
    });
    const log = JSON.stringify(events).toUpperCase();
    const { slots } = store.records.get('T-1')!;
    const secrets = Object.values(slots).map((slot) =>
      slot.usage === 'K1' ? slot.key : slot.registers.slice(-16),
    );
    for (const secret of secrets) {
      expect(log).not.toContain(Buffer.from(secret).toString('hex').toUpperCase());
      expect(log).not.toContain(Buffer.from(secret).toString('base64').toUpperCase());
    }
  });
});

describe('what can go wrong at the KDH', () => {
  test('it is not there yet, has no token yet, is busy: the terminals wait', async () => {
    await rm(join(folder, 'token'));
    let busy = 2;
    stub.faults.refuseEnrolment = () => (busy-- > 0 ? { status: 503, code: 'BUSY' } : undefined);
    const running = runUntil(fleet(['T-1']), () => seen('enrolled'));
    await sleep(200);
    await writeFile(join(folder, 'token'), 'test-token');
    await running;
    expect(busy).toBeLessThan(0);
  });

  test('it refuses to enrol one terminal: the others go on', async () => {
    stub.faults.refuseEnrolment = (serial) =>
      serial === 'T-1' ? { status: 409, code: 'SERIAL_TAKEN' } : undefined;
    await runUntil(fleet(['T-1', 'T-2']), () => seen('loaded') && seen('enrolment-refused'));
    const refusals = events.filter(({ event }) => event === 'enrolment-refused');
    expect(refusals).toEqual([{ event: 'enrolment-refused', serial: 'T-1' }]);
    expect(store.records.get('T-1')!.enrolment).toBeUndefined();
  });

  test('it refuses the upgrade, once: the reason is logged, and the terminal tries again', async () => {
    let times = 1;
    stub.faults.refuseUpgrade = () => (times-- > 0 ? { status: 403, code: 'NOT_WHITELISTED' } : undefined);
    await runUntil(fleet(['T-1']), () => seen('connected'));
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'disconnected',
        kind: 'refused',
        status: 403,
        code: 'NOT_WHITELISTED',
      }),
    );
  });

  test('its acknowledgement is lost: the stored result is sent again in the next session', async () => {
    let lost = 0;
    stub.faults.tamper = (message) => {
      if (message.t !== 'LOAD_ACK' || lost > 0) return message;
      lost += 1;
      stub.disconnectAll();
      return undefined;
    };
    await runUntil(fleet(['T-1']), isFleetLoaded);
    const [first, second] = stub.terminals.get('T-1')!.results;
    expect(second).toEqual(first);
  });

  test.each(['SUSPENDED', 'CERT_REVOKED'] as const)(
    'it kicks with %s: the terminal stays off',
    async (code) => {
      const { number } = protocolCodes[code];
      stub.faults.tamper = (message) =>
        message.t === 'WELCOME' ? { t: 'KICK', b: { code: number, retryAfterMs: 0 } } : message;
      await runUntil(fleet(['T-1']), () => seen('off'));
      expect(sentTypes('T-1')).toEqual(['HELLO']);
    },
  );

  test('it kicks, and closes before the terminal has read why', async () => {
    const { number } = protocolCodes.SUSPENDED;
    stub.faults.tamper = (message) => {
      if (message.t !== 'WELCOME') return message;
      setTimeout(() => stub.disconnectAll(), 20);
      return { t: 'KICK', b: { code: number, retryAfterMs: 0 } };
    };
    await runUntil(fleet(['T-1'], misbehaving('slow=200')), () => seen('off'));
    expect(seen('disconnected')).toBe(false);
  });

  test('an epoch that was seen before is refused', async () => {
    await runUntil(fleet(['T-1']), isFleetLoaded);
    stub.terminals.get('T-1')!.epoch = 0;
    await runUntil(fleet(['T-1']), () => seen('refused-message'));
    expect(events).toContainEqual({ event: 'refused-message', serial: 'T-1', code: 'SUPERSEDED_SESSION' });
    expect(sentTypes('T-1').slice(-2)).toEqual(['HELLO', 'ERROR']);
  });

  test('a message that breaks the protocol is refused with its code', async () => {
    stub.faults.tamper = (message) =>
      message.t === 'LOAD_KEYS' ? { t: 'LOAD_KEYS', b: { ...message.b, planHash: '0'.repeat(64) } } : message;
    await runUntil(fleet(['T-1']), () => seen('refused-message'));
    expect(stub.received.at(-1)!.message).toMatchObject({
      t: 'ERROR',
      b: { name: 'PLAN_HASH', fatal: false },
    });
  });
});

describe('misbehaviour, over the wire', () => {
  test.each([
    ['wrong-serial', 'CERT_MISMATCH'],
    ['garbage', 'BAD_MESSAGE'],
    ['malformed', 'BAD_MESSAGE'],
    ['binary', 'BAD_MESSAGE'],
    ['unknown-type', 'UNSUPPORTED_TYPE'],
    ['replay-frame', 'SEQ'],
    ['out-of-order', 'SEQ'],
    ['flip-result', 'BAD_TOKEN'],
    ['wrong-signature', 'BAD_TOKEN'],
  ])('%s meets %s', async (name, code) => {
    await runUntil(fleet(['T-1'], misbehaving(name)), () => stub.refusals.length > 0);
    expect(stub.refusals[0]).toEqual({ serial: 'T-1', code });
  });

  test.each(['no-certificate', 'foreign-certificate', 'wrong-path'])('%s is not let in', async (name) => {
    await runUntil(fleet(['T-1'], misbehaving(name)), () => seen('disconnected'));
    const refusal = { event: 'disconnected', kind: 'refused', status: 403 };
    expect(events).toContainEqual(expect.objectContaining(refusal));
    expect(stub.received).toEqual([]);
  });

  test('oversize is closed with 1009', async () => {
    await runUntil(fleet(['T-1'], misbehaving('oversize')), () => seen('disconnected'));
    expect(events).toContainEqual(expect.objectContaining({ event: 'disconnected', closeCode: 1009 }));
  });

  test('wrong-kcv lies under a good signature', async () => {
    await runUntil(fleet(['T-1'], misbehaving('wrong-kcv')), () => seen('loaded'));
    const [told] = stub.terminals.get('T-1')!.results;
    expect(told!.results[0]!.kcv).not.toBe(store.records.get('T-1')!.slots['KBPK-AES']!.kcv);
  });

  test.each(['WELCOME', 'RANDOM', 'BIND', 'LOAD_KBPK', 'LOAD_RESULT', 'LOAD_KEYS', 'LOAD_ACK'])(
    'disconnect-at=%s once: the next connection makes up for it, and no key is stored twice',
    async (step) => {
      await runUntil(fleet(['T-1'], misbehaving(`disconnect-at=${step}*1`)), isFleetLoaded);
      const attempts = stub.terminals.get('T-1')!.results.map(({ attempt }) => attempt);
      expect(new Set(attempts).size).toBe(2);
      const stored = events.filter(({ event }) => event === 'stored').map(({ attempt }) => attempt);
      expect(stored.filter((attempt) => attempts.includes(attempt as string))).toHaveLength(stored.length);
    },
  );
});

test('disconnect-at leaves unread what stands behind the message', async () => {
  let held: string[] | undefined;
  const log: FleetOptions['log'] = (_level, event) => {
    if (event === 'disconnected') held ??= Object.keys(store.records.get('T-1')!.slots);
  };
  // The keys of the profile come right behind the acknowledgement of the KBPK, and wait because the terminal is slow.
  const misdemeanours = ['slow=100', 'disconnect-at=LOAD_ACK'].map(parseMisbehaviour);
  await runUntil(fleet(['T-1'], { misdemeanours, log }), () => held !== undefined);
  expect(held).toEqual(['KBPK-AES']);
});

test('a store that another process has taken over ends the fleet', async () => {
  const running = fleet(['T-1']).run();
  const newer = await Store.open(join(folder, 'state'), changed);
  await expect(running).rejects.toMatchObject({ code: 'STORE_TAKEN_OVER' });
  await newer.close();
});
