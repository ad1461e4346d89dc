import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { codeOf } from '../../../../test/support/ceremony.ts';
import { InProcessHsm } from '../../../../test/support/soft-hsm-in-process.ts';
import { Ceremonies } from '../ceremony/ceremonies.ts';
import { openStateFolder } from '../state/state-folder.ts';
import { Vault } from '../vault.ts';
import { type Management, manage } from './commands.ts';

/** What the management commands work on, over an HSM in this process and a folder of its own. */
function managementOf(hsm: InProcessHsm): Management {
  const vault = new Vault(hsm.machine, openStateFolder(mkdtempSync(join(tmpdir(), 'management-'))), () => {});
  return { vault, ceremonies: new Ceremonies(vault) };
}

describe('enter-component', () => {
  const one = Buffer.from('C1D0F8FB4958670DBA40AB1F3752EF0D', 'hex'); // odd parity
  const two = Buffer.from('0123456789ABCDEFFEDCBA9876543210', 'hex');
  const line = {
    command: 'enter-component',
    custodian: 'ann',
    keyUsage: 'B0',
    algorithm: 'T2',
    modeOfUse: 'X',
    exportability: 'S',
  };
  const enter = async (hsm: InProcessHsm, changes: object, payload: Buffer) =>
    (await manage(managementOf(hsm), { line: { ...line, ...changes }, payload: Buffer.from(payload) })).line;

  test('two components, which A4 makes a key of', async () => {
    const hsm = new InProcessHsm();
    const first = await enter(hsm, { number: 1 }, one);
    const second = await enter(hsm, { number: 2 }, two);
    expect(first['kcv']).toMatch(/^[0-9A-F]{6}$/);
    const answer = await hsm.call(`A42FFFS${first['keyBlock']}${second['keyBlock']}#0000`);
    expect(answer.slice(0, 21)).toBe('A500S10096B0TX00S0001');
    expect(hsm.entries.map(({ event }) => event)).toEqual(['component', 'component', 'command']);
    expect(JSON.stringify(hsm.entries)).not.toContain(one.toString('hex').toUpperCase());
  });

  test.each<[string, object, Buffer]>([
    ['A7', { number: 1, algorithm: 'D1' }, one],
    ['A7', { number: 1, algorithm: 'X9' }, one],
    ['A9', { number: 0 }, one],
    ['A9', { number: 10 }, one],
    ['SOFT_HSM_USAGE', { number: '1' }, one],
    ['SOFT_HSM_USAGE', { number: 1, custodian: undefined }, one],
    ['A5', { number: 1 }, one.subarray(1)],
    ['10', { number: 1 }, Buffer.alloc(16)],
    ['A6', { number: 1, keyUsage: 'ZZ' }, one],
    ['A8', { number: 1, modeOfUse: 'E' }, one],
    ['B2', { number: 1, exportability: 'Q' }, one],
    ['SOFT_HSM_USAGE', { number: 1, keyUsage: 7 }, one],
    ['SOFT_HSM_USAGE', { number: 1, command: 'no-such' }, one],
    ['SOFT_HSM_USAGE', { number: 1, command: 'constructor' }, one],
  ])('%s: %j', async (code, changes, payload) => {
    const hsm = new InProcessHsm();
    expect(await codeOf(() => enter(hsm, changes, payload))).toBe(code);
    expect(hsm.entries).toEqual([]);
  });
});

test('status says what this is not', async () => {
  const { line } = await manage(managementOf(new InProcessHsm()), {
    line: { command: 'status' },
    payload: Buffer.alloc(0),
  });
  expect(line).toMatchObject({
    what: expect.stringContaining('not a secure cryptographic device'),
    state: 'OPERATIONAL',
    lmks: [{ id: '01', status: 'test', algorithm: 'AES-256', checkValue: '9D04A0' }],
  });
});
