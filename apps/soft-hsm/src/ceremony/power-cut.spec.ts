import { createHash } from 'node:crypto';
import fs, { closeSync, cpSync, mkdtempSync, openSync, readFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { verifyAuditLog } from '@openkdh/hsm-management';
import { CeremonyHsm, passphraseOf } from '../../../../test/support/ceremony.ts';
import { linesOf } from '../../../../test/support/lines.ts';
import type { SoftHsmError } from '../errors.ts';

/**
 * The power is cut at every step of what writes the HSM's files: the folder is copied before each system call of a
 * sealed file, a configuration or a record of the log, and before a record also with its first half written, and with
 * its second. Over each copy a new process must find what was before or what is after, never neither.
 */

afterEach(() => {
  jest.restoreAllMocks();
  return CeremonyHsm.closeAll();
});

type WriteAt = (bytes: Uint8Array, offset: number, length: number, position: number) => Promise<unknown>;

const { prototype: fileHandle } = await open('/dev/null').then(async (file) => {
  await file.close();
  return { prototype: Object.getPrototypeOf(file) as { write: WriteAt } };
});

/** Copies of the folder of `hsm` while `action` runs, one for each step, and one after the last. */
async function stepsOf(hsm: CeremonyHsm, action: () => Promise<unknown>): Promise<string[]> {
  const copies: string[] = [];
  const copy = () => {
    const path = mkdtempSync(join(tmpdir(), 'power-cut-'));
    cpSync(hsm.folder.path, path, { recursive: true });
    copies.push(path);
    return path;
  };
  for (const name of ['openSync', 'writeSync', 'fsyncSync', 'renameSync'] as const) {
    const call = fs[name] as (...args: unknown[]) => unknown;
    jest.spyOn(fs, name).mockImplementation(((...args: unknown[]) => {
      copy();
      return call(...args);
    }) as never);
  }
  const { write } = fileHandle;
  jest.spyOn(fileHandle, 'write').mockImplementation(function (
    this: unknown,
    bytes,
    offset,
    length,
    position,
  ) {
    copy();
    const middle = Math.floor(length / 2);
    for (const [from, to] of [[0, middle] as const, [middle, length] as const]) {
      const log = openSync(join(copy(), 'audit.log'), 'r+');
      writeSync(log, bytes, offset + from, to - from, position + from);
      closeSync(log);
    }
    return write.call(this, bytes, offset, length, position);
  });
  await action();
  jest.restoreAllMocks();
  copy();
  return copies;
}

const quorums = { old: ['ann', 'bob'], new: ['dan', 'eve'] } as const;

/** What a new process over each copy is, once a quorum has come. */
async function findings(
  hsm: CeremonyHsm,
  copies: readonly string[],
  look: (found: CeremonyHsm, opened: string) => Promise<string>,
): Promise<string[]> {
  const outcomes: string[] = [];
  for (const path of copies) {
    const found = new CeremonyHsm(hsm.officers, path);
    const opened = found.machine.state === 'LOCKED' ? await openBy(found) : found.machine.state;
    outcomes.push(await look(found, opened));
    const { auditTrail } = found.machine;
    if (auditTrail) await verifyAuditLog(linesOf(found.folder.auditLog), found.vault.checkpointKey!);
  }
  return [...new Set(outcomes)];
}

async function openBy(found: CeremonyHsm): Promise<string> {
  for (const [name, custodians] of Object.entries(quorums)) {
    const state = await found.give(...custodians).then(
      (line) => line['state'],
      (error: SoftHsmError) => error.code,
    );
    if (state === 'OPERATIONAL') return name;
    if (state !== 'SOFT_HSM_SEAL' || found.machine.state !== 'LOCKED')
      return `${state}, ${found.machine.state}`;
  }
  return 'nobody opens it';
}

/** An open HSM that has a host, and a key of it. */
async function openHsm(): Promise<{ hsm: CeremonyHsm; key: string; kcv: string }> {
  const hsm = new CeremonyHsm();
  await hsm.initialise();
  await hsm.admitHost();
  const answer = await hsm.call('A00FFFS#K0A1N00E00');
  return { hsm, key: answer.slice(4, -6), kcv: answer.slice(-6) };
}

test('initialisation: nothing yet, or an HSM that its custodians open', async () => {
  const hsm = new CeremonyHsm();
  const copies = await stepsOf(hsm, () => hsm.initialise());
  expect(copies.length).toBeGreaterThan(15);
  const look = async (found: CeremonyHsm, opened: string) => {
    if (opened === 'UNINITIALISED') await found.initialise();
    expect(found.machine.state).toBe('OPERATIONAL');
    return opened;
  };
  expect(await findings(hsm, copies, look)).toEqual(['UNINITIALISED', 'old']);
});

test('unlocking: it opens again', async () => {
  const { hsm } = await openHsm();
  await hsm.restart();
  const copies = await stepsOf(hsm, () => hsm.give('ann', 'bob'));
  expect(await findings(hsm, copies, async (_, opened) => opened)).toEqual(['old']);
});

test('LMK change: a key is good, or can be translated', async () => {
  const { hsm, key, kcv } = await openHsm();
  await hsm.command('change-lmk');
  const copies = await stepsOf(hsm, () => hsm.give('ann', 'bob'));
  expect(copies.length).toBeGreaterThan(10);
  const look = async (found: CeremonyHsm) => {
    const used = await found.call(`BUFFF${key}`);
    if (used === `BV00${kcv}`) return 'as before';
    const translated = await found.call(`BWFFF${key};FFF!11`);
    return translated.startsWith('BX00') && translated.endsWith(kcv) ? 'changed' : `${used} ${translated}`;
  };
  expect(await findings(hsm, copies, look)).toEqual(['as before', 'changed']);
});

test('the end of an LMK change: keys are translated, or not any more', async () => {
  const { hsm, key } = await openHsm();
  await hsm.command('change-lmk');
  await hsm.give('ann', 'bob');
  const copies = await stepsOf(hsm, () => hsm.call('BS'));
  const look = async (found: CeremonyHsm) => (await found.call(`BWFFF${key};FFF`)).slice(0, 4);
  expect(await findings(hsm, copies, look)).toContain('BX33');
});

test('new shares: the old ones open it, or the new ones', async () => {
  const { hsm, key, kcv } = await openHsm();
  await hsm.command('reshare', { custodians: quorums.new, threshold: 2 });
  await hsm.give('ann', 'bob');
  await hsm.manage('take-share', { custodian: 'dan' }, passphraseOf('dan'));
  const copies = await stepsOf(hsm, () =>
    hsm.manage('take-share', { custodian: 'eve' }, passphraseOf('eve')),
  );
  expect(copies.length).toBeGreaterThan(15);
  const look = async (found: CeremonyHsm, opened: string) => {
    expect(await found.call(`BUFFF${key}`)).toBe(`BV00${kcv}`);
    return opened;
  };
  expect(await findings(hsm, copies, look)).toEqual(['old', 'new']);
});

test('a share that changes hands: a quorum opens it', async () => {
  const { hsm } = await openHsm();
  await hsm.command('reassign-share', { x: 3, custodian: 'dan' });
  await hsm.give('cleo');
  const copies = await stepsOf(hsm, () =>
    hsm.manage('take-share', { custodian: 'dan' }, passphraseOf('dan')),
  );
  expect(await findings(hsm, copies, async (_, opened) => opened)).toEqual(['old']);
});

test('other hosts: the ones before, or the ones after', async () => {
  const { hsm } = await openHsm();
  const host = { name: 'kdh', id: 'local', commands: ['NC'], usages: '*', lmkIds: '*' };
  const copies = await stepsOf(hsm, () => hsm.command('set-hosts', { hosts: [host] }));
  const look = async (found: CeremonyHsm) => (await found.call('A00FFFS#K0A1N00E00')).slice(0, 4);
  expect(await findings(hsm, copies, look)).toEqual(['A100', 'A168']);
});

test('restore: the backup can be restored, or is', async () => {
  const { hsm, key, kcv } = await openHsm();
  await hsm.restart();
  await hsm.give('ann', 'bob'); // a later start than the first
  const { payload } = await hsm.manage('backup');
  const order = () => ({
    ...hsm.signed(
      hsm.order('restore', { backup: createHash('sha256').update(payload!).digest('hex').toUpperCase() }),
    ),
  });
  const restore = async (into: CeremonyHsm) => {
    await into.manage('restore', { signed: order() }, payload!);
    await into.give('ann', 'bob');
  };
  const fresh = new CeremonyHsm(hsm.officers);
  const copies = await stepsOf(fresh, () => restore(fresh));
  expect(copies.length).toBeGreaterThan(10);
  const look = async (found: CeremonyHsm, opened: string) => {
    if (opened === 'UNINITIALISED') await restore(found);
    expect(await found.call(`BUFFF${key}`)).toBe(`BV00${kcv}`);
    return opened;
  };
  expect(await findings(fresh, copies, look)).toEqual(['UNINITIALISED', 'old']);
});

test('erasing: it opens as before, or is TAMPERED with nothing left', async () => {
  const { hsm } = await openHsm();
  const copies = await stepsOf(hsm, () => hsm.manage('zeroise', { confirm: 'erase' }));
  const look = async (found: CeremonyHsm, opened: string) => {
    if (opened === 'TAMPERED') expect(() => readFileSync(found.folder.sealedLmk)).toThrow('ENOENT');
    return opened;
  };
  expect(await findings(hsm, copies, look)).toEqual(['old', 'TAMPERED']);
});
