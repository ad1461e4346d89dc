import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { verifyAuditLog } from '@openkdh/hsm-management';
import { linesOf } from '../support/lines.ts';
import { killAll, newHome, SoftHsmProcess } from '../support/soft-hsm-process.ts';
import { WireClient } from '../support/wire-client.ts';

/** The audit log of the soft HSM as a process: who fetches it, and a disk that has no room for it. */

const generateKey = 'HEADA00FFFS#K0A1N00E00';

afterEach(() => killAll());

describe('the audit log', () => {
  test('is fetched and acknowledged by the host; with a limit, the HSM stops until it is', async () => {
    const home = newHome();
    const hsm = new SoftHsmProcess([...home.testLmk, '--audit-limit', '10']);
    const { checkpointKey } = await hsm.ready();
    const client = await WireClient.unix(home.socket);
    const code = async (command: string) => (await client.call(`HEAD${command}`)).toString('latin1', 4, 8);
    for (let n = 0; n < 9; n += 1) expect(await code('A00FFFS#K0A1N00E00')).toBe('A100');
    expect(await code('A00FFFS#K0A1N00E00')).toBe('A141');
    const fetched = (await client.call(`HEADZL${'2'.padStart(20, '0')}`)).toString('latin1', 8);
    const seqs = fetched
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).seq);
    expect(seqs).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]); // the refused command too
    expect(await code(`ZK${'99'.padStart(20, '0')}`)).toBe('ZL15');
    expect(await code(`ZK${'11'.padStart(20, '0')}`)).toBe('ZL00');
    expect(await code('A00FFFS#K0A1N00E00')).toBe('A100');
    await hsm.stop();
    expect(await verifyAuditLog(linesOf(join(home.state, 'audit.log')), checkpointKey)).toMatchObject({
      acknowledged: 11,
    });
  });
});

describe('a disk that fills: 41 and FAILED, no crash; with room again it goes on where it was', () => {
  const bytesOfRecords = (log: Buffer) => log.indexOf(0);

  test.each([
    ['in a record', (log: Buffer) => bytesOfRecords(log) + 1000, true], // room for a record or two, and a torn one
    ['where the file grows ahead of its records', (log: Buffer) => log.length + 100_000, false],
  ])('%s', async (_, roomIn, leavesTornRecord) => {
    const home = newHome();
    const log = join(home.state, 'audit.log');
    const hsm = new SoftHsmProcess(home.live);
    const { checkpointKey } = await hsm.ready();
    const client = await WireClient.unix(home.socket);
    const codes = async (count: number, command: string) => {
      const answers = Array.from({ length: count }, () => client.call(command));
      return (await Promise.all(answers)).map((answer) => answer.toString('latin1', 4, 8));
    };
    expect(await codes(3, generateKey)).toEqual(['A100', 'A100', 'A100']);
    const room = roomIn(readFileSync(log));
    expect(spawnSync('prlimit', ['--pid', String(hsm.child.pid), `--fsize=${room}`]).status).toBe(0);
    let answered = 3;
    for (let refused = false; !refused; ) {
      const some = await codes(50, generateKey);
      answered += some.filter((code) => code === 'A100').length;
      refused = some.includes('A141');
      expect(some.join(' ')).toMatch(/^(A100 ?)*(A141 ?)*$/);
    }
    expect(await codes(2, generateKey)).toEqual(['A141', 'A141']);
    expect(await codes(1, 'HEADNC')).toEqual(['ND00']);
    await hsm.says(/the audit log cannot be written/);
    client.close();
    await hsm.stop();

    const again = new SoftHsmProcess(home.live);
    expect(await again.ready()).toMatchObject({ state: 'OPERATIONAL', checkpointKey });
    await again.stop();
    const lines = linesOf(log);
    await verifyAuditLog(lines, checkpointKey);
    expect(lines.join('').includes('"event":"recovered"')).toBe(leavesTornRecord);
    const kept = lines.filter((line) => line.includes('"command":"A0"') && line.includes('"result":"00"'));
    expect(kept.length).toBeGreaterThanOrEqual(answered);
  });
});
