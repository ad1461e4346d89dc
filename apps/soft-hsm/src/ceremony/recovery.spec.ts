import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { verifyAuditLog } from '@openkdh/hsm-management';
import {
  CeremonyHsm,
  codeOf,
  eventsOf,
  initialised,
  passphraseOf,
  TestOfficer,
} from '../../../../test/support/ceremony.ts';
import { linesOf } from '../../../../test/support/lines.ts';

afterEach(() => CeremonyHsm.closeAll());

describe('shares', () => {
  test('are shared out anew: the new ones open the HSM, the old ones do not', async () => {
    const hsm = await initialised();
    await hsm.admitHost();
    const key = (await hsm.call('A00FFFS#K0A1N00E00')).slice(4, -6);
    await hsm.command('reshare', { custodians: ['dan', 'eve'], threshold: 2 });
    expect(await hsm.give('ann', 'bob')).toMatchObject({ waitingFor: ['dan', 'eve'] });
    await hsm.manage('take-share', { custodian: 'dan' }, passphraseOf('dan'));
    await hsm.manage('take-share', { custodian: 'eve' }, passphraseOf('eve'));
    await hsm.restart();
    expect(await codeOf(() => hsm.give('ann'))).toBe('SOFT_HSM_SEAL');
    await hsm.give('dan', 'eve');
    expect((await hsm.call(`BUFFF${key}`)).slice(0, 4)).toBe('BV00');
  });

  test('a crash before all new shares are taken leaves the old ones good', async () => {
    const hsm = await initialised();
    await hsm.command('reshare', { custodians: ['dan', 'eve'], threshold: 2 });
    await hsm.give('ann', 'bob');
    await hsm.manage('take-share', { custodian: 'dan' }, passphraseOf('dan'));
    await hsm.restart();
    expect(await hsm.give('bob', 'cleo')).toMatchObject({ state: 'OPERATIONAL' });
  });

  test('one changes hands; who had it counts as knowing it for ever', async () => {
    const hsm = await initialised(['ann', 'bob', 'cleo', 'dan'], 3);
    const assign = (x: number, custodian: string) => hsm.command('reassign-share', { x, custodian });
    await assign(2, 'eve'); // Bob's
    expect(await codeOf(() => hsm.give('ann'))).toBe('SOFT_HSM_SEAL'); // it is not Ann's to give
    expect(await hsm.give('bob')).toMatchObject({ waitingFor: ['eve'] });
    await hsm.manage('take-share', { custodian: 'eve' }, passphraseOf('eve'));
    await hsm.restart();
    await hsm.give('ann', 'eve', 'dan');
    expect(hsm.machine.state).toBe('OPERATIONAL');

    await assign(2, 'ann'); // Ann would know shares 1 and 2: one less than open it
    await hsm.give('eve');
    await hsm.manage('take-share', { custodian: 'ann' }, passphraseOf('ann'));
    expect(await codeOf(() => assign(3, 'ann'))).toBe('SOFT_HSM_SHARES');
    await assign(2, 'fred');
    await hsm.manage('give-share', { custodian: 'ann' }, passphraseOf('ann'));
    await hsm.manage('take-share', { custodian: 'fred' }, passphraseOf('fred'));
    expect(await codeOf(() => assign(3, 'ann'))).toBe('SOFT_HSM_SHARES'); // she has given it away, and still knows it
    expect(await codeOf(() => assign(3, 'olga'))).toBe('SOFT_HSM_ORDER'); // an officer
    expect(await codeOf(() => assign(9, 'gus'))).toBe('SOFT_HSM_ORDER');
  });
});

describe('LMK change', () => {
  test('keys are translated, old blocks end with BS, and the change survives a restart', async () => {
    const hsm = await initialised();
    await hsm.admitHost();
    const before = await hsm.call('NC');
    const old = await hsm.call('A00FFFS#K0A1N00E00');
    const key = old.slice(4, -6);
    await hsm.call(`BUFFF${key}`); // it is in the cache now
    await hsm.command('change-lmk');
    await hsm.give('bob', 'cleo');
    expect(await hsm.call('NC')).not.toBe(before);
    expect(await hsm.call(`BUFFF${key}`)).toBe('BVA4');
    await hsm.restart();
    await hsm.give('ann', 'bob');
    const translated = await hsm.call(`BWFFF${key};FFF!11`);
    expect(translated.slice(0, 4)).toBe('BX00');
    expect(translated.slice(-6)).toBe(old.slice(-6));
    expect(await hsm.call(`BUFFF${translated.slice(4, -6)}`)).toBe(`BV00${old.slice(-6)}`);
    expect(await codeOf(() => hsm.command('change-lmk'))).toBe('SOFT_HSM_STATE');
    expect(await hsm.call('BS')).toBe('BT00');
    expect(existsSync(hsm.folder.oldSealedLmk)).toBe(false);
    expect(await hsm.call(`BWFFF${key};FFF`)).toBe('BX33');
    await hsm.restart();
    await hsm.give('ann', 'bob');
    expect(await hsm.call(`BUFFF${translated.slice(4, -6)}`)).toBe(`BV00${old.slice(-6)}`);
    expect(await hsm.call(`BWFFF${key};FFF`)).toBe('BX33');
  });

  test('the audit log goes on under one key', async () => {
    const hsm = await initialised();
    const key = hsm.vault.checkpointKey!;
    await hsm.command('change-lmk');
    await hsm.give('ann', 'bob');
    await hsm.vault.close();
    expect(await verifyAuditLog(linesOf(hsm.folder.auditLog), key)).toMatchObject({ bootCounter: 1 });
  });
});

describe('backup', () => {
  const sha256 = (file: Uint8Array) => createHash('sha256').update(file).digest('hex').toUpperCase();
  async function backedUp() {
    const hsm = await initialised();
    await hsm.admitHost();
    const key = await hsm.call('A00FFFS#K0A1N00E00');
    const file = Buffer.from((await hsm.manage('backup')).payload!);
    return { hsm, key: key.slice(4, -6), kcv: key.slice(-6), file };
  }
  /** An order of the officers in the backup of `hsm`. */
  const orderFor = (hsm: CeremonyHsm, act: string, file: Uint8Array) =>
    hsm.signed(hsm.order(act, { backup: sha256(file) }));

  test('is restored into a fresh HSM by its officers and custodians, and the keys are there', async () => {
    const { hsm, key, kcv, file } = await backedUp();
    const operations = hsm.machine.auditTrail!.head.operations;
    const fresh = new CeremonyHsm(hsm.officers);
    await fresh.manage('restore', { signed: orderFor(hsm, 'restore', file) }, file);
    expect(await fresh.give('ann', 'cleo')).toMatchObject({ state: 'OPERATIONAL' });
    expect(await fresh.call(`BUFFF${key}`)).toBe(`BV00${kcv}`);
    const { bootCounter, operations: counted } = fresh.machine.auditTrail!.head;
    expect(bootCounter).toBe(2); // the first start is the one of the HSM that the backup is of
    expect(counted).toBe(operations);
    expect(eventsOf(fresh)).toEqual(['boot', 'restore', 'command']);
    await fresh.restart();
    expect(await fresh.give('ann', 'bob')).toMatchObject({ state: 'OPERATIONAL' });
  });

  test('a drill shows that it would work, and changes nothing', async () => {
    const { hsm, file } = await backedUp();
    const checkValue = hsm.machine.lmks.get(undefined).checkValue;
    const other = new CeremonyHsm(hsm.officers);
    await other.manage('restore', { signed: orderFor(hsm, 'drill', file) }, file);
    expect(await other.give('ann', 'bob')).toMatchObject({
      state: 'UNINITIALISED',
      drill: { lmkCheckValue: checkValue, operations: 0 },
    });
    expect(readdirSync(other.folder.path)).toEqual([]);
    await hsm.manage('restore', { signed: orderFor(hsm, 'drill', file) }, file); // on the HSM itself
    expect(await hsm.give('ann', 'bob')).toMatchObject({
      state: 'OPERATIONAL',
      drill: { lmkCheckValue: checkValue },
    });
  });

  test('an older backup shows: its counters are behind', async () => {
    const { hsm, file } = await backedUp();
    await hsm.restart();
    await hsm.give('ann', 'bob');
    const newer = Buffer.from((await hsm.manage('backup')).payload!);
    const restored = async (backup: Buffer) => {
      const fresh = new CeremonyHsm(hsm.officers);
      await fresh.manage('restore', { signed: orderFor(hsm, 'restore', backup) }, backup);
      await fresh.give('ann', 'bob');
      return fresh.machine.auditTrail!.head.bootCounter;
    };
    expect(await restored(file)).toBeLessThan(await restored(newer));
  });

  test('is refused: into an HSM that has an LMK, by one officer, with another file, without a quorum', async () => {
    const { hsm, file } = await backedUp();
    const restore = (into: CeremonyHsm, signed: unknown, backup = file) =>
      codeOf(() => into.manage('restore', { signed }, backup));
    expect(await restore(hsm, orderFor(hsm, 'restore', file))).toBe('SOFT_HSM_STATE');
    const fresh = new CeremonyHsm(hsm.officers);
    const order = hsm.order('restore', { backup: sha256(file) });
    expect(await restore(fresh, hsm.signed(order, hsm.officers.slice(1)))).toBe('SOFT_HSM_ORDER');
    expect(await restore(fresh, orderFor(hsm, 'grant', file))).toBe('SOFT_HSM_ORDER');
    expect(await restore(fresh, orderFor(hsm, 'restore', Buffer.from('x')))).toBe('SOFT_HSM_ORDER');
    expect(await restore(fresh, orderFor(hsm, 'restore', file), Buffer.from('{}'))).toBe('SOFT_HSM_SEAL');
    await fresh.manage('restore', { signed: orderFor(hsm, 'restore', file) }, file);
    expect(await fresh.give('ann')).toMatchObject({ state: 'UNINITIALISED' });
    expect(await fresh.call('NC')).toBe('ND13');
  });

  test.each<[string, (backup: Record<string, object>) => object]>([
    [
      'the configuration',
      (backup) => ({
        ...backup,
        configuration: { ...backup['configuration'], mac: '00'.repeat(32) },
      }),
    ],
    ['the body', (backup) => ({ ...backup, body: `00${String(backup['body']).slice(2)}` })],
    ['the sealed LMK', (backup) => ({ ...backup, sealedLmk: { ...backup['sealedLmk'], bootCounter: 9 } })],
  ])('that was changed (%s) does not open', async (_, change) => {
    const { hsm, file } = await backedUp();
    const changed = Buffer.from(JSON.stringify(change(JSON.parse(file.toString()))));
    const fresh = new CeremonyHsm(hsm.officers);
    await fresh.manage('restore', { signed: orderFor(hsm, 'restore', changed) }, changed);
    expect(await codeOf(() => fresh.give('ann', 'bob'))).toBe('SOFT_HSM_SEAL');
    expect(fresh.machine.state).toBe('UNINITIALISED');
  });

  test('only an open HSM is backed up', async () => {
    const { hsm } = await backedUp();
    await hsm.restart();
    expect(await codeOf(() => hsm.manage('backup'))).toBe('SOFT_HSM_STATE');
  });
});

describe('tampering', () => {
  const expectTampered = async (hsm: CeremonyHsm, cause: string) => {
    expect(hsm.machine.state).toBe('TAMPERED');
    expect(hsm.machine.lmks.all).toEqual([]);
    expect(existsSync(hsm.folder.sealedLmk)).toBe(false);
    expect(existsSync(hsm.folder.configuration)).toBe(false);
    expect(await codeOf(() => hsm.give('ann', 'bob'))).toBe('SOFT_HSM_STATE');
    hsm.start();
    expect(hsm.machine.state).toBe('TAMPERED');
    hsm.machine.hosts.replace(
      new Map([
        ['local', { name: 'monitor', id: 'local', commands: '*', usages: '*', lmkIds: '*', rates: {} }],
      ]),
    );
    expect((await hsm.call('JK')).slice(4)).toMatch(
      new RegExp(`^OPENKDH-SOFT2611241200002213002${cause}261124120000`),
    );
    expect(await hsm.call('NC')).toBe('ND13');
    expect(await hsm.call('A00FFFS#K0A1N00E00')).toBe('A113');
  };

  test('the erase command: keys, files and connections are gone, the log ends signed, JK shows it', async () => {
    const hsm = await initialised();
    expect(await codeOf(() => hsm.manage('zeroise'))).toBe('SOFT_HSM_USAGE');
    expect((await hsm.manage('zeroise', { confirm: 'erase' })).line).toEqual({ state: 'TAMPERED' });
    expect(hsm.hostsCutOff).toBe(1);
    expect(eventsOf(hsm).slice(-4)).toEqual(['tampered', 'checkpoint', 'shutdown', 'checkpoint']);
    await expectTampered(hsm, '03');
  });

  test('a sealed LMK that does not open with the right shares', async () => {
    const hsm = await initialised();
    await hsm.restart();
    const file = JSON.parse(readFileSync(hsm.folder.sealedLmk, 'utf8'));
    writeFileSync(hsm.folder.sealedLmk, JSON.stringify({ ...file, bootCounter: 7 }));
    expect(await codeOf(() => hsm.give('ann', 'bob'))).toBe('SOFT_HSM_SEAL');
    await expectTampered(hsm, '10');
  });

  test('a configuration that was changed', async () => {
    const hsm = await initialised();
    await hsm.restart();
    const file = JSON.parse(readFileSync(hsm.folder.configuration, 'utf8'));
    file.configuration.officers = [new TestOfficer('mallory'), new TestOfficer('mary')];
    writeFileSync(hsm.folder.configuration, JSON.stringify(file));
    expect(await codeOf(() => hsm.give('ann', 'bob'))).toBe('SOFT_HSM_AUDIT');
    await expectTampered(hsm, '10');
  });

  test('an audit log that was edited, and one that was rolled back', async () => {
    for (const change of [(log: string) => log.replace('"initialise"', '"initialize"'), () => '']) {
      const hsm = await initialised();
      await hsm.admitHost();
      writeFileSync(hsm.folder.auditLog, change(readFileSync(hsm.folder.auditLog, 'latin1')));
      hsm.start(); // as after kill -9: no checkpoint closes the log
      expect(await codeOf(() => hsm.give('ann', 'bob'))).toBe('SOFT_HSM_AUDIT');
      await expectTampered(hsm, '10');
    }
  });

  test('too many failures to authenticate', async () => {
    const hsm = await initialised();
    await hsm.restart();
    for (let n = 0; n < 9; n += 1) {
      expect(
        await codeOf(() => hsm.manage('give-share', { custodian: `nobody ${n}` }, passphraseOf('x'))),
      ).toBe('SOFT_HSM_SEAL');
    }
    expect(hsm.machine.state).toBe('LOCKED');
    expect(await codeOf(() => hsm.manage('give-share', { custodian: 'nobody 9' }, passphraseOf('x')))).toBe(
      'SOFT_HSM_SEAL',
    );
    await expectTampered(hsm, '10');
  });

  test('a new initialisation ends it; the old log is kept', async () => {
    const hsm = await initialised();
    await hsm.manage('zeroise', { confirm: 'erase' });
    hsm.start();
    await hsm.initialise(['dan', 'eve'], 2);
    expect(hsm.machine.state).toBe('OPERATIONAL');
    expect(readdirSync(hsm.folder.path).sort()).toEqual([
      'audit.log',
      'audit.log.20261124120000000',
      'configuration.json',
      'lmk.sealed',
    ]);
  });
});
