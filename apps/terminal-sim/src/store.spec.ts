import { statSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Store } from './store.ts';

interface Flash {
  epoch: number;
  key: Uint8Array;
  slots: Record<string, { kcv: string }>;
}

let folder: string;
const journal = () => join(folder, 'journal');
const merged = (record: Partial<Flash> | undefined, patch: Partial<Flash>) => ({ ...record, ...patch });
const reopen = () => Store.open(folder, merged);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openkdh-store-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('what was committed is there again', () => {
  test('members of a patch replace those of the record, others stay', async () => {
    const store = await reopen();
    await store.commit('T1', { epoch: 1, key: Uint8Array.of(1, 2, 3) });
    await store.commit('T1', { epoch: 2, slots: { PIN: { kcv: 'AABBCC' } } });
    await store.commit('T2', { epoch: 9 });
    const expected = new Map<string, Partial<Flash>>([
      ['T1', { epoch: 2, key: Uint8Array.of(1, 2, 3), slots: { PIN: { kcv: 'AABBCC' } } }],
      ['T2', { epoch: 9 }],
    ]);
    expect(store.records).toEqual(expected);
    await store.close();
    const again = await reopen();
    expect(again.records).toEqual(expected);
    expect(again.droppedBytes).toBe(0);
    await again.close();
  });

  test('commits of many terminals at once, each in the order of its calls', async () => {
    const store = await reopen();
    const commits = Array.from({ length: 500 }, (_, n) => store.commit(`T${n % 50}`, { epoch: n }));
    await Promise.all(commits);
    await store.close();
    const again = await reopen();
    expect(again.records.size).toBe(50);
    expect([...again.records.values()].map(({ epoch }) => epoch)).toEqual(
      Array.from({ length: 50 }, (_, n) => 450 + n),
    );
    await again.close();
  });

  test('a full batch is on its way to the file before the turn ends', async () => {
    const store = await reopen();
    const { size } = statSync(journal());
    const commits = Array.from({ length: 255 }, (_, n) => store.commit(`T${n}`, { epoch: n }));
    expect(statSync(journal()).size).toBe(size);
    commits.push(store.commit('T255', { epoch: 255 }));
    expect(statSync(journal()).size).toBeGreaterThan(size);
    await Promise.all(commits);
    expect(store.records.size).toBe(256);
    await store.close();
  });

  test('records show a commit only after it is durable', async () => {
    const store = await reopen();
    const commit = store.commit('T1', { epoch: 1 });
    expect(store.records.get('T1')).toBeUndefined();
    await commit;
    expect(store.records.get('T1')).toEqual({ epoch: 1 });
    await store.close();
  });

  test('opening writes a journal without the history', async () => {
    const store = await reopen();
    for (let epoch = 0; epoch < 100; epoch++) await store.commit('T1', { epoch });
    await store.close();
    const before = (await stat(journal())).size;
    await (await reopen()).close();
    expect((await stat(journal())).size).toBeLessThan(before / 20);
  });

  test('any sequence of patches is replayed to the same records', async () => {
    const patch = fc.record(
      {
        epoch: fc.nat(),
        key: fc.uint8Array({ maxLength: 32 }),
        slots: fc.constant({ DATA: { kcv: '000000' } }),
      },
      { requiredKeys: [] },
    );
    const commits = fc.array(fc.tuple(fc.constantFrom('A', 'B', 'C'), patch), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(commits, async (list) => {
        await rm(journal(), { force: true });
        const store = await reopen();
        await Promise.all(list.map(([key, value]) => store.commit(key, value)));
        await store.close();
        const again = await reopen();
        expect(again.records).toEqual(store.records);
        await again.close();
      }),
      { numRuns: 50 },
    );
  });
});

describe('power cut', () => {
  test('the journal cut at every byte of its last record: the old state whole, or the new one whole', async () => {
    const store = await reopen();
    await store.commit('T1', { epoch: 1, key: new Uint8Array(16).fill(1) });
    const before = (await stat(journal())).size;
    await store.commit('T1', {
      epoch: 2,
      key: new Uint8Array(16).fill(2),
      slots: { PIN: { kcv: 'AABBCC' } },
    });
    await store.close();
    const whole = await readFile(journal());
    for (let length = before; length <= whole.length; length++) {
      await writeFile(journal(), whole.subarray(0, length));
      const cut = await reopen();
      const old = { epoch: 1, key: new Uint8Array(16).fill(1) };
      expect(cut.records.get('T1')).toEqual(length < whole.length ? old : store.records.get('T1'));
      expect(cut.droppedBytes).toBe(length < whole.length ? length - before : 0);
      await cut.commit('T1', { epoch: 3 });
      await cut.close();
      const after = await reopen();
      expect(after.records.get('T1')?.epoch).toBe(3);
      await after.close();
    }
  });

  test.each([
    [
      'one bit of the last record is wrong',
      (bytes: Buffer) => bytes.writeUInt8(bytes.at(-1)! ^ 1, bytes.length - 1),
    ],
    ['its second half was never filled', (bytes: Buffer) => bytes.fill(0, bytes.length - 20)],
  ])('%s', async (_name, damage) => {
    const store = await reopen();
    await store.commit('T1', { epoch: 1 });
    await store.commit('T1', { epoch: 2, key: new Uint8Array(32) });
    await store.close();
    const bytes = await readFile(journal());
    damage(bytes);
    await writeFile(journal(), bytes);
    const again = await reopen();
    expect(again.records.get('T1')).toEqual({ epoch: 1 });
    await again.close();
  });

  test('zeros after the last record', async () => {
    const store = await reopen();
    await store.commit('T1', { epoch: 1 });
    await store.close();
    await writeFile(journal(), Buffer.concat([await readFile(journal()), Buffer.alloc(4096)]));
    const again = await reopen();
    expect(again.records.get('T1')).toEqual({ epoch: 1 });
    expect(again.droppedBytes).toBe(4096);
    await again.close();
  });

  test('killed while the journal was being rewritten: the old one stands', async () => {
    const store = await reopen();
    await store.commit('T1', { epoch: 1 });
    await store.close();
    await writeFile(join(folder, 'journal.new'), 'half');
    const again = await reopen();
    expect(again.records.get('T1')).toEqual({ epoch: 1 });
    await again.close();
  });
});

describe('refusals', () => {
  test('the folder is 0700 and the file 0600', async () => {
    const store = await reopen();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(journal())).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test('a file of another kind is left alone', async () => {
    await writeFile(journal(), 'something else altogether');
    await expect(reopen()).rejects.toMatchObject({ code: 'STORE_UNREADABLE' });
    expect(await readFile(journal(), 'utf8')).toBe('something else altogether');
  });

  test('two processes in one folder: the newer one keeps it, the older one stops', async () => {
    const older = await reopen();
    await older.commit('T1', { epoch: 1 });
    const newer = await reopen();
    await expect(older.commit('T1', { epoch: 2 })).rejects.toMatchObject({ code: 'STORE_TAKEN_OVER' });
    await newer.commit('T1', { epoch: 3 });
    await expect(older.commit('T1', { epoch: 4 })).rejects.toMatchObject({ code: 'STORE_TAKEN_OVER' });
    await older.close();
    await newer.close();
    const again = await reopen();
    expect(again.records.get('T1')).toEqual({ epoch: 3 });
    await again.close();
  });

  test('after close', async () => {
    const store = await reopen();
    await store.close();
    await expect(store.commit('T1', { epoch: 1 })).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});
