import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseRecord } from '@openkdh/hsm-management';
import { AuditLog } from './audit-log.ts';
import { checkpointKeyFromSeed } from './checkpoint.ts';
import { hasRecords, LogReader } from './read.ts';

const key = checkpointKeyFromSeed(Buffer.alloc(32, 0x01));
const now = () => new Date('2026-11-24T12:00:00Z');

async function logOf(count: number): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), 'read-')), 'audit.log');
  const log = await AuditLog.open(path, key, now);
  const command = (n: number) =>
    log.append({
      event: 'command',
      client: 'local',
      command: 'A0',
      keysIn: [],
      keysOut: ['x'.repeat(n % 300)],
      result: '00',
    });
  await Promise.all(Array.from({ length: count }, (_, n) => command(n)));
  await log.abandon();
  return path;
}

test('every record is found by its number, and all after it as far as there is room', async () => {
  const path = await logOf(250);
  for (let seq = 1; seq <= 250; seq += 1) {
    const [first] = await new LogReader(path).read(seq, 1000);
    expect(parseRecord(first!)?.seq).toBe(seq);
  }
  const all = await new LogReader(path).read(0, 1_000_000);
  expect(all.map((line) => parseRecord(line)!.seq)).toEqual(Array.from({ length: 250 }, (_, n) => n + 1));
  expect((await new LogReader(path).read(100, 2000)).length).toBeLessThan(15);
});

test('beyond the end there is nothing, nor in an empty log', async () => {
  const path = await logOf(3);
  expect(await new LogReader(path).read(4, 1000)).toEqual([]);
  writeFileSync(path, '');
  expect(await new LogReader(path).read(0, 1000)).toEqual([]);
});

test('a record that is being written is left out', async () => {
  const path = await logOf(3);
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.indexOf(0) - 10));
  expect(await new LogReader(path).read(0, 10_000)).toHaveLength(2);
});

test('what is behind a zero byte is left out: the end of a write may be there before its start', async () => {
  const path = await logOf(3);
  const [first, second] = readFileSync(path, 'latin1').split('\n');
  const hole = (from: number, to: number) => writeFileSync(path, readFileSync(path).fill(0, from, to));
  hole(first!.length + 1 + second!.length - 5, first!.length + 1 + second!.length + 20);
  expect(await new LogReader(path).read(0, 10_000)).toEqual([first]);
  expect(await new LogReader(path).read(3, 10_000)).toEqual([]);
  expect(hasRecords(path)).toBe(true);
  hole(0, 100);
  expect(await new LogReader(path).read(0, 10_000)).toEqual([]);
  expect(hasRecords(path)).toBe(false);
});

test('a log is copied part after part from the record that was last, while it grows and when one starts anew', async () => {
  const path = await logOf(40);
  const all = readFileSync(path, 'latin1').split('\n').slice(0, -1);
  writeFileSync(
    path,
    all
      .slice(0, 25)
      .map((line) => `${line}\n`)
      .join(''),
  );
  const reader = new LogReader(path);
  const copy = [...(await reader.read(0, 3000))];
  const goOn = async () => {
    const [last, ...more] = await reader.read(copy.length, 3000);
    expect(last).toBe(copy.at(-1));
    copy.push(...more);
    return more.length;
  };
  while (await goOn());
  expect(copy).toEqual(all.slice(0, 25));
  writeFileSync(path, all.map((line) => `${line}\n`).join(''));
  while (await goOn());
  expect(copy).toEqual(all);
  expect((await reader.read(3, 3000))[0]).toBe(all[2]);
  expect((await reader.read(0, 3000))[0]).toBe(all[0]);
});
