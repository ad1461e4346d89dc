import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type AuditEntry, HsmManagementError, parseRecord, verifyAuditLog } from '@openkdh/hsm-management';
import { linesOf } from '../../../../test/support/lines.ts';
import { AuditLog } from './audit-log.ts';
import { checkpointKeyFromSeed } from './checkpoint.ts';

const key = checkpointKeyFromSeed(Buffer.alloc(32, 0x01));
const now = () => new Date('2026-11-24T12:00:00Z');
const boot = {
  event: 'boot',
  checkpointKey: key.publicKey,
  firmware: '0000-0001',
  lmkCheckValue: '9D04A0',
  lmkId: '01',
  lmkStatus: 'test',
} as const;
const command = (result: string): AuditEntry => ({
  event: 'command',
  client: 'local',
  command: 'A0',
  keysIn: [],
  keysOut: ['AB'],
  result,
});

const newPath = () => join(mkdtempSync(join(tmpdir(), 'audit-')), 'audit.log');
const open = async (path: string) => {
  const log = await AuditLog.open(path, key, now);
  await log.start(boot);
  return log;
};
/** A log of one start with `count` commands, closed. */
async function written(count: number): Promise<string> {
  const path = newPath();
  const log = await open(path);
  for (let n = 0; n < count; n += 1) await log.append(command('00'), n % 2);
  await log.close();
  return path;
}

describe('AuditLog', () => {
  test('records are chained, and a checkpoint closes them', async () => {
    const lines = linesOf(await written(2));
    expect(lines.map((line) => parseRecord(line)?.event)).toEqual([
      'boot',
      'command',
      'command',
      'shutdown',
      'checkpoint',
    ]);
    // Canonical form, field by field.
    expect(lines[1]).toMatch(
      /^\{"bootCounter":1,"client":"local","command":"A0","event":"command","keysIn":\[\],"keysOut":\["AB"\],"operations":0,"prevHash":"[0-9A-F]{64}","result":"00","seq":2,"time":"2026-11-24T12:00:00.000Z"\}$/,
    );
  });

  test('goes on where it stopped: sequence, starts and operations', async () => {
    const path = await written(4);
    const log = await open(path);
    expect(log.head).toMatchObject({ seq: 8, operations: 2, bootCounter: 2 });
    await log.append(command('00'), 1);
    await log.close();
    expect(await verifyAuditLog(linesOf(path), key.publicKey)).toMatchObject({
      seq: 11,
      operations: 3,
      bootCounter: 2,
    });
  });

  test('records that come together share a write and keep their order', async () => {
    const path = newPath();
    const log = await open(path);
    const results = Array.from({ length: 500 }, (_, n) => String(n).padStart(3, '0'));
    await Promise.all(results.map((result) => log.append(command(result))));
    expect(
      linesOf(path)
        .slice(1)
        .map((line) => (parseRecord(line) as { result?: string }).result),
    ).toEqual(results);
    await log.close();
  });

  test('a record is on disk when append resolves', async () => {
    const path = newPath();
    const log = await open(path);
    for (let n = 2; n < 20; n += 1) {
      await log.append(command('00'));
      expect(linesOf(path)).toHaveLength(n);
    }
    await log.close();
  });

  test('a checkpoint after every thousand records; the next start reads back to the last one only', async () => {
    const path = newPath();
    const log = await open(path);
    await Promise.all(Array.from({ length: 2500 }, () => log.append(command('00'))));
    const lines = linesOf(path);
    const checkpoints = lines.flatMap((line, n) => (line.includes('"checkpoint",') ? [n] : []));
    expect(checkpoints).toEqual([1000, 2001]);
    await verifyAuditLog(linesOf(path), key.publicKey);

    // A changed record before the last checkpoint is not looked at on start; the verifier finds it.
    await log.close();
    writeFileSync(path, readFileSync(path, 'latin1').replace('"result":"00"', '"result":"01"'), 'latin1');
    await (await open(path)).close();
    await expect(verifyAuditLog(linesOf(path), key.publicKey)).rejects.toMatchObject({
      code: 'HSM_LOG_BROKEN',
    });
  });

  test('a crash in the middle of a record: its bytes are cut off and that is recorded', async () => {
    const whole = readFileSync(await written(3));
    const lastLine = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (const end of [lastLine + 1, lastLine + 50, whole.length - 2, whole.length - 1]) {
      const path = newPath();
      writeFileSync(path, whole.subarray(0, end));
      const log = await open(path);
      await log.close();
      const events = linesOf(path).map((line) => parseRecord(line)?.event);
      expect(events.slice(-4)).toEqual(['boot', 'recovered', 'shutdown', 'checkpoint']);
      await verifyAuditLog(linesOf(path), key.publicKey);
    }
  });

  test('while it is open it is longer than its records, by zero bytes; closed it is as long as they are', async () => {
    const path = newPath();
    const log = await open(path);
    await log.append(command('00'));
    const bytes = readFileSync(path);
    const end = bytes.indexOf(0);
    expect(bytes.subarray(0, end).toString('latin1').split('\n')).toHaveLength(3);
    expect(bytes.length - end).toBeGreaterThan(100_000);
    expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
    await log.append(command('00'));
    expect(statSync(path).size).toBe(bytes.length);
    await log.close();
    expect(readFileSync(path).includes(0)).toBe(false);
    expect(readFileSync(path).at(-1)).toBe(0x0a);
  });

  test('a killed process: the zero bytes are cut off, and nothing was lost', async () => {
    const path = newPath();
    const killed = await open(path);
    await killed.append(command('00'));
    await killed.abandon();
    const log = await open(path);
    await log.close();
    const events = linesOf(path).map((line) => parseRecord(line)?.event);
    expect(events).toEqual(['boot', 'command', 'boot', 'shutdown', 'checkpoint']);
    await verifyAuditLog(linesOf(path), key.publicKey);
  });

  /** A log whose last write, of `count` records, has begun at `start`; behind it are zero bytes. */
  const withLastWrite = async (count: number) => {
    const path = newPath();
    const log = await open(path);
    await log.append(command('00'));
    const start = readFileSync(path).indexOf(0);
    await Promise.all(Array.from({ length: count }, () => log.append(command('00'))));
    await log.abandon();
    const bytes = readFileSync(path);
    return { bytes, start, end: bytes.indexOf(0) };
  };
  const sectorBytes = 512;

  /** What the next start makes of `bytes`: how many records of the last write are left. */
  const recordsLeftOf = async (bytes: Buffer) => {
    const path = newPath();
    writeFileSync(path, bytes);
    const log = await open(path);
    await log.close();
    await verifyAuditLog(linesOf(path), key.publicKey);
    const events = linesOf(path).map((line) => parseRecord(line)?.event);
    const torn = events.at(-3) === 'recovered';
    return { left: events.indexOf('boot', 1) - 2, torn };
  };

  test.each([8, 150])(
    'a power cut in a write of %i records: of sectors in any order, what is before the first that is missing counts',
    async (count) => {
      const { bytes, start, end } = await withLastWrite(count);
      const step = sectorBytes * Math.ceil((end - start) / sectorBytes / 25);
      for (let hole = start; hole < end; hole = (Math.floor(hole / step) + 1) * step) {
        const holeEnd = Math.min((Math.floor(hole / sectorBytes) + 1) * sectorBytes, end);
        const complete = bytes.toString('latin1', start, hole).split('\n').length - 1;
        for (const missing of [holeEnd, end]) {
          const cut = Buffer.from(bytes).fill(0, hole, missing);
          const torn = missing < end || bytes[hole - 1] !== 0x0a;
          expect(await recordsLeftOf(cut)).toEqual({ left: complete, torn });
        }
      }
    },
  );

  test('after a write that failed nothing is recorded any more', async () => {
    const log = await AuditLog.open('/dev/full', key, now);
    await expect(log.start(boot)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(log.append(command('00'))).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(log.close()).rejects.toMatchObject({ code: 'ENOSPC' });
  });
});

describe('the chain', () => {
  const refusalOf = async (path: string) =>
    verifyAuditLog(linesOf(path), key.publicKey).then(
      () => 'verifies',
      (error) => (error instanceof HsmManagementError ? error.message : Promise.reject(error)),
    );

  test.each<[string, RegExp, (lines: string[]) => string[]]>([
    [
      'edited',
      /record 4/,
      ([a, b, c, ...rest]) => [a!, b!, c!.replace('"operations":1', '"operations":2'), ...rest],
    ],
    ['removed', /record 2.*sequence number 3/, ([a, , ...rest]) => [a!, ...rest]],
    ['swapped', /record 2.*sequence number 3/, ([a, b, c, ...rest]) => [a!, c!, b!, ...rest]],
    ['repeated', /record 3.*sequence number 2/, ([a, b, ...rest]) => [a!, b!, b!, ...rest]],
    ['without its start', /record 1/, ([, ...rest]) => rest],
    ['not canonical', /record 2.*canonical/, ([a, b, ...rest]) => [a!, b!.replace(':', ': '), ...rest]],
    ['not JSON', /record 2.*canonical/, ([a, , ...rest]) => [a!, 'x', ...rest]],
  ])('a record %s', async (_, reason, change) => {
    const path = await written(3);
    writeFileSync(path, `${change(linesOf(path)).join('\n')}\n`);
    expect(await refusalOf(path)).toMatch(reason);
  });

  test('a log written anew by who has not the checkpoint key', async () => {
    const path = newPath();
    const log = await AuditLog.open(path, checkpointKeyFromSeed(Buffer.alloc(32, 0x02)), now);
    await log.start(boot);
    await log.close();
    expect(await refusalOf(path)).toMatch(/checkpoint has a wrong signature/);
  });

  test('one changed character anywhere', async () => {
    const path = await written(2);
    const good = readFileSync(path);
    for (let at = 0; at < good.length - 1; at += 3) {
      const changed = Buffer.from(good);
      changed[at] = changed[at] === 0x30 ? 0x31 : 0x30;
      if (changed.equals(good)) continue;
      writeFileSync(path, changed);
      expect(await refusalOf(path)).not.toBe('verifies');
    }
  });

  test('a start refuses a broken segment', async () => {
    const path = await written(3);
    appendFileSync(path, `${linesOf(path).at(-2)}\n`);
    await expect(AuditLog.open(path, key, now)).rejects.toMatchObject({ code: 'SOFT_HSM_AUDIT' });
  });

  test('a log that was cut is a shorter log: only a head that is known from elsewhere shows it', async () => {
    const path = await written(3);
    const [first, second] = linesOf(path);
    truncateSync(path, `${first}\n${second}\n`.length);
    expect(await refusalOf(path)).toBe('verifies');
    expect((await verifyAuditLog(linesOf(path), key.publicKey)).seq).toBe(2);
  });

  const hasPython = spawnSync('python3', ['--version']).status === 0;
  (hasPython ? test : test.skip)('a verifier in another language agrees (needs python3)', async () => {
    const path = await written(5);
    const python = `
import hashlib, json, sys
previous = '0' * 64
for number, line in enumerate(open(sys.argv[1], encoding='ascii').read().splitlines(), 1):
    record = json.loads(line)
    assert record['seq'] == number and record['prevHash'] == previous, number
    assert json.dumps(record, sort_keys=True, separators=(',', ':')) == line, number
    previous = hashlib.sha256(line.encode('ascii')).hexdigest().upper()
print(previous)`;
    const hash = execFileSync('python3', ['-c', python, path], { encoding: 'latin1' }).trim();
    expect(hash).toBe((await verifyAuditLog(linesOf(path), key.publicKey)).hash);
  });
});
