import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RequestedAttempts } from './requested-attempts.ts';

const uuid = (n: number) => `01990000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;

function firstRepeat(held: number | undefined, ids: readonly string[]) {
  const attempts = new RequestedAttempts(held);
  for (const [index, id] of ids.entries()) attempts.add(id, BigInt(index * 9));
  return attempts.firstRepeat();
}

/** As a history of any length that fits into memory would be judged. */
function repeatAmong(ids: readonly string[]) {
  const at = ids.findIndex((id, index) => ids.indexOf(id) < index);
  return at < 0 ? undefined : { id: ids[at], index: BigInt(at * 9) };
}

test('finds the first repeat, whatever fits into memory', () => {
  const ids = fc.array(fc.integer({ min: 0, max: 400 }).map(uuid), { maxLength: 60 });
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 20 }), (requested, held) => {
      expect(firstRepeat(held, requested)).toEqual(repeatAmong(requested));
    }),
  );
});

test('100 runs in any order: none is requested twice, and then the last one is', () => {
  const ids = Array.from({ length: 1_000 }, (_, n) => uuid((n * 7_919) % 1_000));
  expect(firstRepeat(10, ids)).toBeUndefined();
  expect(firstRepeat(10, [...ids, ids[3]!])).toEqual({ id: ids[3], index: 9_000n });
});

test('ids that differ in one bit are different', () => {
  const id = '00000000-0000-0000-0000-000000000000';
  const bits = Array.from({ length: 128 }, (_, bit) =>
    (1n << BigInt(bit))
      .toString(16)
      .padStart(32, '0')
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  );
  expect(firstRepeat(16, [id, ...bits])).toBeUndefined();
  expect(firstRepeat(16, [...bits, bits[127]!])).toEqual({ id: bits[127], index: 128n * 9n });
});

test('leaves nothing behind in the folder for temporary files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-'));
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = folder;
  try {
    const attempts = new RequestedAttempts(1);
    for (const n of [1, 2, 3]) attempts.add(uuid(n), BigInt(n));
    expect(readdirSync(folder)).toEqual([]);
    expect(attempts.firstRepeat()).toBeUndefined();
  } finally {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    rmSync(folder, { recursive: true });
  }
});
