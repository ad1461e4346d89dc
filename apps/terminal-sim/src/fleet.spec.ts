import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Fleet, type FleetOptions } from './fleet.ts';
import type { TerminalRecord } from './record.ts';
import { Store } from './store.ts';
import { isLoaded } from './terminal.ts';
import { KdhStub } from './testing/kdh-stub.ts';

let stub: KdhStub;
let folder: string;
let store: Store<TerminalRecord>;
let events: { event: string; serial?: string; [field: string]: unknown }[];

beforeAll(async () => {
  stub = await KdhStub.start();
});
afterAll(() => stub.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openkdh-fleet-'));
  await writeFile(join(folder, 'token'), 'test-token\n');
  store = await Store.open(join(folder, 'state'));
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
    ...options,
  });
}

/** Runs a fleet until `done`, then stops it. */
async function runUntil(running: Fleet, done: () => boolean): Promise<void> {
  const ended = running.run();
  const deadline = performance.now() + 20_000;
  while (!done() && performance.now() < deadline) await sleep(20);
  running.stop();
  await ended;
  expect(done()).toBe(true);
}

describe('the way that goes right', () => {
  test('terminals are enrolled, bound, and hold the keys of their profile', async () => {
    const serials = ['T-1', 'T-2', 'T-3'];
    await runUntil(fleet(serials), () => events.some(({ event }) => event === 'fleet-loaded'));
    for (const serial of serials) {
      const record = store.records.get(serial)!;
      expect(Object.keys(record.slots)).toEqual(['KBPK-AES', 'KBPK-TDES', 'PIN', 'DATA']);
      expect(isLoaded(record)).toBe(true);
      expect(stub.terminals.get(serial)!.results.map(({ results }) => results)).toEqual([
        [{ slot: 'KBPK-AES', code: 0, kcv: expect.any(String) }],
        ['KBPK-TDES', 'PIN', 'DATA'].map((slot) => expect.objectContaining({ slot, code: 0 })),
      ]);
    }
    expect(stub.refusals).toEqual([]);
  });
});
