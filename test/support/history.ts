import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import pg from 'pg';

/** One initial key that a simulated terminal holds, as its oracle tells it: the key only as a digest. */
export interface HeldKey {
  serial: string;
  slot: string;
  algorithm: string;
  ksn: string;
  kcv: string;
  sha256: string;
}

/** What the terminals of a fleet hold, from the file that `terminal-sim --oracle FILE` keeps. */
export function heldKeys(oracleFile: string): HeldKey[] {
  return readFileSync(oracleFile, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as HeldKey);
}

interface AttemptRow {
  id: string;
  serial: string;
  kind: string;
  number: number;
  state: string;
  version: number;
  times: Record<string, string>;
}

interface KeyRow {
  attempt_id: string;
  serial: string;
  slot: string;
  bdk_id: string | null;
  ksn: string | null;
  state: string;
  kcv_expected: string | null;
  kcv_reported: string | null;
  key_block: string | null;
}

const FINAL = ['CONFIRMED', 'REJECTED', 'FAILED', 'EXPIRED', 'CANCELLED', 'QUARANTINED'];

/**
 * The invariants of docs/design.md over the whole history of a database, and over what the terminals hold.
 * Fails with the invariant's number.
 */
export async function expectInvariants(databaseUrl: string, held: HeldKey[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: attempts } = await client.query<AttemptRow>(
      `select a.id, t.serial, a.kind, a.number, a.state, a.version, a.times
       from attempt a join terminal t on t.id = a.terminal_id order by t.serial, a.number`,
    );
    const { rows: keys } = await client.query<KeyRow>(
      `select k.attempt_id, t.serial, k.slot, k.bdk_id, k.ksn, a.state, k.kcv_expected, k.kcv_reported, k.key_block
       from attempt_key k join attempt a on a.id = k.attempt_id join terminal t on t.id = a.terminal_id`,
    );
    const { rows: events } = await client.query<{ attempt_id: string; type: string; version: number }>(
      `select attempt_id, type, (body ->> 'version')::int as version from audit_event
       where type like 'attempt.%' and attempt_id is not null order by id`,
    );

    // I1: no (BDK, KSN) was ever given to two attempts.
    const ksns = keys.filter((key) => key.ksn).map((key) => `${key.bdk_id} ${key.ksn}`);
    expect(['I1', ksns.length]).toEqual(['I1', new Set(ksns).size]);

    // I2: no two terminals hold one key.
    expect(['I2', held.length]).toEqual(['I2', new Set(held.map((key) => key.sha256)).size]);

    // I3: an intent was recorded before a block could be stored.
    for (const { id, times } of attempts.filter((attempt) => attempt.times['WRAPPED'])) {
      expect(['I3', id, times['DERIVING']! <= times['WRAPPED']!]).toEqual(['I3', id, true]);
    }

    // I4: what is CONFIRMED, the terminal reported with the right KCV, and holds.
    const confirmed = keys.filter((key) => key.state === 'CONFIRMED');
    for (const key of confirmed)
      expect(['I4', key.slot, key.kcv_reported]).toEqual(['I4', key.slot, key.kcv_expected]);
    const newest = new Map(
      attempts.filter((a) => a.kind === 'KEYS' && a.state === 'CONFIRMED').map((a) => [a.serial, a.id]),
    );
    for (const key of confirmed.filter((k) => k.bdk_id && newest.get(k.serial) === k.attempt_id)) {
      const slot = held.find((h) => h.serial === key.serial && h.slot === key.slot);
      expect(['I4', key.serial, slot?.ksn, slot?.kcv.slice(0, 6)]).toEqual([
        'I4',
        key.serial,
        key.ksn,
        key.kcv_expected,
      ]);
    }

    // I5: every attempt's events tell each version once and in order, and end in at most one final state.
    for (const { id, version, state } of attempts) {
      const own = events.filter((event) => event.attempt_id === id);
      const steps = own.filter((event) => event.version !== null);
      expect(['I5', id, steps.map((event) => event.version)]).toEqual([
        'I5',
        id,
        Array.from({ length: version - 1 }, (_, index) => index + 2),
      ]);
      const finals = own.filter((event) => FINAL.includes(event.type.slice('attempt.'.length).toUpperCase()));
      expect(['I5', id, finals.length]).toEqual(['I5', id, FINAL.includes(state) ? 1 : 0]);
    }

    // Completeness: attempt numbers are dense per terminal.
    const numbers = new Map<string, number[]>();
    for (const { serial, number } of attempts) numbers.set(serial, [...(numbers.get(serial) ?? []), number]);
    for (const [serial, list] of numbers)
      expect([serial, list]).toEqual([serial, list.map((_, index) => index + 1)]);

    // PCI PIN 24: blocks of ended attempts are gone.
    for (const key of keys.filter((k) => FINAL.includes(k.state))) {
      expect([key.attempt_id, key.key_block]).toEqual([key.attempt_id, null]);
    }
  } finally {
    await client.end();
  }
}
