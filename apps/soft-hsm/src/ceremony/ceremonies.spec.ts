import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { CeremonyHsm, passphraseOf, TestOfficer } from '../../../../test/support/ceremony.ts';
import { Refusal } from '../answer-codes.ts';
import { type AuditRecord, parseRecord } from '../audit/audit-record.ts';
import { verifyAuditLog } from '../audit/verify.ts';
import { SoftHsmError } from '../errors.ts';

afterEach(() => CeremonyHsm.closeAll());

const codeOf = async (action: () => unknown) => {
  try {
    await action();
  } catch (error) {
    if (error instanceof SoftHsmError || error instanceof Refusal) return error.code;
    throw error;
  }
  return 'done';
};

async function initialised(custodians?: string[], threshold?: number): Promise<CeremonyHsm> {
  const hsm = new CeremonyHsm();
  await hsm.initialise(custodians, threshold);
  return hsm;
}

const recordsOf = (hsm: CeremonyHsm) =>
  readFileSync(hsm.folder.auditLog, 'latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => parseRecord(line)!);
const eventsOf = (hsm: CeremonyHsm) =>
  recordsOf(hsm).map((record) => (record.event === 'management' ? record.command : record.event));

describe('initialisation', () => {
  test('begins when every share is taken, and then the HSM has an LMK', async () => {
    const hsm = new CeremonyHsm();
    expect(hsm.machine.state).toBe('UNINITIALISED');
    expect(await hsm.call('NC')).toBe('ND13');
    const officers = hsm.officers.map(({ name, publicKey }) => ({ name, publicKey }));
    const { line } = await hsm.manage('initialise', { officers, custodians: ['ann', 'bob'], threshold: 2 });
    expect(line).toEqual({ state: 'UNINITIALISED', given: 0, waitingFor: ['ann', 'bob'] });
    await hsm.manage('take-share', { custodian: 'bob' }, passphraseOf('bob'));
    expect(hsm.machine.state).toBe('UNINITIALISED');
    const done = await hsm.manage('take-share', { custodian: 'ann' }, passphraseOf('ann'));
    expect(done.line).toEqual({ state: 'OPERATIONAL', given: 0, waitingFor: [] });
    expect(eventsOf(hsm)).toEqual(['boot', 'initialise']);
  });

  test('nothing secret is in its files', async () => {
    const hsm = await initialised();
    const files = readdirSync(hsm.folder.path).map((name) =>
      readFileSync(`${hsm.folder.path}/${name}`, 'latin1'),
    );
    for (const custodian of ['ann', 'bob', 'cleo']) {
      expect(files.join('')).not.toContain(passphraseOf(custodian).toString());
    }
    expect(files.join('')).toContain('"sealed"');
  });

  test.each<[string, string, object]>([
    ['SOFT_HSM_ORDER', 'one officer', { officers: [new TestOfficer('olga')] }],
    ['SOFT_HSM_ORDER', 'an officer who is a custodian', { custodians: ['ann', 'olga'] }],
    ['SOFT_HSM_ORDER', 'officers that are none', { officers: [{ name: 'olga' }, { name: 'otto' }] }],
    [
      'SOFT_HSM_SHARES',
      'a custodian with enough shares',
      { custodians: ['ann', 'ann', 'bob'], threshold: 2 },
    ],
    ['SOFT_HSM_SHARES', 'a threshold of one', { threshold: 1 }],
    ['SOFT_HSM_SHARES', 'more shares needed than there are', { threshold: 4 }],
    ['SOFT_HSM_SHARES', 'a name that is none', { custodians: ['ann', 'b\n'] }],
    ['SOFT_HSM_USAGE', 'no custodians', { custodians: undefined }],
  ])('%s: %s', async (code, _, change) => {
    const hsm = new CeremonyHsm();
    const officers = hsm.officers.map(({ name, publicKey }) => ({ name, publicKey }));
    const usual = { officers, custodians: ['ann', 'bob', 'cleo'], threshold: 2 };
    expect(await codeOf(() => hsm.manage('initialise', { ...usual, ...change }))).toBe(code);
    expect(hsm.machine.state).toBe('UNINITIALISED');
  });

  test('only once, and shares only for those who are to have one', async () => {
    const hsm = await initialised();
    expect(await codeOf(() => hsm.initialise())).toBe('SOFT_HSM_STATE');
    expect(await codeOf(() => hsm.manage('take-share', { custodian: 'ann' }, passphraseOf('ann')))).toBe(
      'SOFT_HSM_STATE',
    );
    const other = new CeremonyHsm();
    const officers = other.officers.map(({ name, publicKey }) => ({ name, publicKey }));
    await other.manage('initialise', { officers, custodians: ['ann', 'bob'], threshold: 2 });
    const take = (custodian: string, passphrase: Buffer) =>
      codeOf(() => other.manage('take-share', { custodian }, passphrase));
    expect(await take('dan', passphraseOf('dan'))).toBe('SOFT_HSM_SHARES');
    expect(await take('ann', Buffer.from('short'))).toBe('SOFT_HSM_SEAL');
    expect(await take('ann', passphraseOf('ann'))).toBe('done');
    expect(await take('ann', passphraseOf('ann'))).toBe('SOFT_HSM_SHARES');
  });
});

describe('unlocking', () => {
  test('takes any quorum, and the keys are the same', async () => {
    const hsm = await initialised();
    await hsm.admitHost();
    const key = (await hsm.call('A00FFFS#K0A1N00E00')).slice(4, -6);
    for (const quorum of [
      ['ann', 'bob'],
      ['cleo', 'ann'],
      ['bob', 'cleo'],
    ] as const) {
      await hsm.restart();
      expect(hsm.machine.state).toBe('LOCKED');
      expect(await hsm.call(`BUFFF${key}`)).toBe('BV13');
      expect(await hsm.give(quorum[0])).toMatchObject({ state: 'LOCKED', given: 1 });
      expect(await hsm.give(quorum[1])).toMatchObject({ state: 'OPERATIONAL' });
      expect((await hsm.call(`BUFFF${key}`)).slice(0, 4)).toBe('BV00');
    }
    await hsm.vault.close();
    const [boot] = recordsOf(hsm) as [AuditRecord & { event: 'boot' }];
    expect(await verifyAuditLog(hsm.folder.auditLog, boot.checkpointKey)).toMatchObject({ bootCounter: 4 });
  });

  test('one share twice, a wrong passphrase, somebody else: refused', async () => {
    const hsm = await initialised();
    await hsm.restart();
    await hsm.give('ann');
    expect(await codeOf(() => hsm.give('ann'))).toBe('SOFT_HSM_SEAL');
    expect(
      await codeOf(() => hsm.manage('give-share', { custodian: 'bob' }, Buffer.from('not the passphrase'))),
    ).toBe('SOFT_HSM_SEAL');
    expect(await codeOf(() => hsm.manage('give-share', { custodian: 'dan' }, passphraseOf('dan')))).toBe(
      'SOFT_HSM_SEAL',
    );
    expect(hsm.machine.state).toBe('LOCKED');
  });

  test('who fails has to wait, twice as long each time; others do not', async () => {
    const hsm = await initialised();
    await hsm.restart();
    const fail = () =>
      codeOf(() => hsm.manage('give-share', { custodian: 'bob' }, Buffer.from('not the passphrase')));
    expect(await fail()).toBe('SOFT_HSM_SEAL');
    expect(await fail()).toBe('SOFT_HSM_STATE');
    expect(await hsm.give('ann')).toMatchObject({ given: 1 });
  });

  test('locking wipes what was given, and asks for a quorum again', async () => {
    const hsm = await initialised();
    expect((await hsm.manage('lock')).line).toEqual({ state: 'LOCKED' });
    expect(hsm.machine.lmks.all).toEqual([]);
    expect(await codeOf(() => hsm.manage('lock'))).toBe('SOFT_HSM_STATE');
    expect(await hsm.give('ann', 'bob')).toMatchObject({ state: 'OPERATIONAL' });
    expect(eventsOf(hsm)).toEqual(['boot', 'initialise', 'lock', 'shutdown', 'checkpoint', 'boot', 'unlock']);
  });

  test('no share is taken when none is asked for', async () => {
    const hsm = await initialised();
    expect(await codeOf(() => hsm.give('ann'))).toBe('SOFT_HSM_STATE');
  });
});

describe('orders', () => {
  const host = { name: 'kdh', id: 'local', commands: '*', usages: '*', lmkIds: '*' };

  test('two officers say who the hosts are; before that, nobody is', async () => {
    const hsm = await initialised();
    expect(hsm.machine.hosts.get('local')).toBeUndefined();
    await hsm.command('set-hosts', { hosts: [host] });
    expect((await hsm.call('A00FFFS#K0A1N00E00')).slice(0, 4)).toBe('A100');
    await hsm.command('set-hosts', { hosts: [{ ...host, commands: ['NC'] }] });
    expect(await hsm.call('A00FFFS#K0A1N00E00')).toBe('A168');
    await hsm.restart();
    await hsm.give('ann', 'bob');
    expect(await hsm.call('A00FFFS#K0A1N00E00')).toBe('A168');
  });

  test.each<[string, (hsm: CeremonyHsm) => unknown]>([
    [
      'signed by one',
      (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host] }), hsm.officers.slice(0, 1)),
    ],
    [
      'signed by one twice',
      (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host] }), [hsm.officers[0]!, hsm.officers[0]!]),
    ],
    [
      'signed by somebody else',
      (hsm) =>
        hsm.signed(hsm.order('set-hosts', { hosts: [host] }), [hsm.officers[0]!, new TestOfficer('otto')]),
    ],
    [
      'changed after signing',
      (hsm) => {
        const signed = hsm.signed(hsm.order('set-hosts', { hosts: [] }));
        return { ...signed, order: { ...signed.order, hosts: [host] } };
      },
    ],
    ['for another HSM', (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host], hsm: '00'.repeat(16) }))],
    [
      'not in force yet',
      (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host], notBefore: '2026-11-24T12:00:01Z' })),
    ],
    [
      'expired',
      (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host], expiry: '2026-11-24T12:00:00Z' })),
    ],
    [
      'in force for longer than 12 hours',
      (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host], expiry: '2026-11-25T00:00:01Z' })),
    ],
    [
      'with a time that is none',
      (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host], expiry: 'soon' })),
    ],
    ['with a nonce that is none', (hsm) => hsm.signed(hsm.order('set-hosts', { hosts: [host], nonce: '1' }))],
    ['for an act that there is not', (hsm) => hsm.signed(hsm.order('export-lmk'))],
    ['without signatures', (hsm) => ({ order: hsm.order('set-hosts', { hosts: [host] }) })],
    [
      'without a canonical form',
      (hsm) => ({ ...hsm.signed(hsm.order('grant')), order: hsm.order('grant', { count: 1.5 }) }),
    ],
    ['that is nothing', () => null],
  ])('SOFT_HSM_ORDER: an order %s', async (_, signed) => {
    const hsm = await initialised();
    expect(await codeOf(async () => hsm.manage('order', { signed: signed(hsm) }))).toBe('SOFT_HSM_ORDER');
    expect(hsm.machine.hosts.get('local')).toBeUndefined();
  });

  test('an order is carried out once, also after a restart and with the clock set back', async () => {
    const hsm = await initialised();
    const signed = hsm.signed(hsm.order('set-hosts', { hosts: [host] }));
    await hsm.manage('order', { signed });
    expect(await codeOf(() => hsm.manage('order', { signed }))).toBe('SOFT_HSM_ORDER');
    await hsm.restart();
    await hsm.give('ann', 'bob');
    expect(await codeOf(() => hsm.manage('order', { signed }))).toBe('SOFT_HSM_ORDER');
    hsm.now = new Date(hsm.now.getTime() - 30_000);
    expect(await codeOf(() => hsm.manage('order', { signed }))).toBe('SOFT_HSM_ORDER');
  });

  test('officers can be replaced; the old ones have no say any more', async () => {
    const hsm = await initialised();
    const fresh = [new TestOfficer('vera'), new TestOfficer('viktor')];
    const names = fresh.map(({ name, publicKey }) => ({ name, publicKey }));
    await hsm.command('set-officers', { officers: names });
    expect(await codeOf(() => hsm.command('set-hosts', { hosts: [] }))).toBe('SOFT_HSM_ORDER');
    const order = hsm.order('set-hosts', { hosts: [host] });
    await hsm.manage('order', { signed: hsm.signed(order, fresh) });
    expect(hsm.machine.hosts.get('local')).toBeDefined();
    const asCustodian = hsm.order('set-officers', { officers: [{ ...names[0]!, name: 'ann' }, names[1]] });
    expect(await codeOf(() => hsm.manage('order', { signed: hsm.signed(asCustodian, fresh) }))).toBe(
      'SOFT_HSM_ORDER',
    );
  });

  test('only an open HSM takes orders', async () => {
    const hsm = await initialised();
    const signed = hsm.signed(hsm.order('set-hosts', { hosts: [] }));
    await hsm.restart();
    expect(await codeOf(() => hsm.manage('order', { signed }))).toBe('SOFT_HSM_STATE');
  });
});

describe('grants', () => {
  const exportGrant = { activity: 'export.P0.host', client: 'local', lmkId: '00', count: 2 };
  async function withKeys() {
    const hsm = await initialised();
    await hsm.admitHost();
    const zmk = (await hsm.call('A00FFFS#K0A1N00E00')).slice(4, -6);
    const key = (await hsm.call('A00FFFS#P0A1E00E00')).slice(4, -6);
    return { hsm, exportKey: async () => (await hsm.call(`A8FFF${zmk}${key}R`)).slice(2, 4) };
  }

  test('without one, 17; with one, as often as it says, and the log names it', async () => {
    const { hsm, exportKey } = await withKeys();
    expect(await exportKey()).toBe('17');
    await hsm.command('grant', exportGrant);
    expect([await exportKey(), await exportKey(), await exportKey()]).toEqual(['00', '00', '17']);
    const exports = recordsOf(hsm).filter((record) => record.event === 'command' && record.command === 'A8');
    expect(exports.map((record) => 'grant' in record && typeof record.grant)).toEqual([
      false,
      'string',
      'string',
      false,
    ]);
  });

  test('for its time, and not beyond a restart', async () => {
    const { hsm, exportKey } = await withKeys();
    const start = hsm.now;
    await hsm.command('grant', { ...exportGrant, count: 100 });
    expect(await exportKey()).toBe('00');
    hsm.now = new Date(start.getTime() + 3_600_000);
    expect(await exportKey()).toBe('17');
    hsm.now = start;
    expect(await exportKey()).toBe('17'); // a clock that is set back brings nothing back
    await hsm.command('grant', { ...exportGrant, count: 100 });
    await hsm.restart();
    await hsm.give('ann', 'bob');
    expect(await exportKey()).toBe('17');
  });

  test.each<[string, object]>([
    ['another usage', { activity: 'export.K0.host' }],
    ['another act', { activity: 'import.P0.host' }],
    ['another host', { client: 'AB'.repeat(32) }],
    ['another LMK', { lmkId: '01' }],
  ])('not for %s', async (_, change) => {
    const { hsm, exportKey } = await withKeys();
    await hsm.command('grant', { ...exportGrant, ...change });
    expect(await exportKey()).toBe('17');
  });

  test.each<object>([
    { activity: 'export.P0.console' },
    { activity: 'dance.P0.host' },
    { client: 'me' },
    { lmkId: '1' },
    { count: 0 },
    { count: '2' },
  ])('SOFT_HSM_ORDER: %j is no grant', async (change) => {
    const { hsm } = await withKeys();
    expect(await codeOf(() => hsm.command('grant', { ...exportGrant, ...change }))).toBe('SOFT_HSM_ORDER');
  });

  test('importing wrapping keys and forming keys need one, generating and deriving do not', async () => {
    const { hsm } = await withKeys();
    const enter = async (custodian: string, number: number, byte: number) => {
      const payload = Buffer.concat([passphraseOf(custodian), Buffer.alloc(15, byte), Buffer.of(number)]);
      const parameters = {
        custodian,
        number,
        keyUsage: 'B0',
        algorithm: 'A1',
        modeOfUse: 'X',
        exportability: 'S',
        passphraseBytes: passphraseOf(custodian).length,
      };
      return (await hsm.manage('enter-component', parameters, payload)).line['keyBlock'] as string;
    };
    const [one, two] = [await enter('ann', 1, 0x11), await enter('bob', 2, 0x22)];
    const form = async (...components: string[]) =>
      (await hsm.call(`A4${components.length}FFFS${components.join('')}#0000`)).slice(2, 4);
    expect(await form(one, two)).toBe('17');
    await hsm.command('grant', { activity: 'component.B0.host', client: 'local', lmkId: '00', count: 5 });
    expect(await form(one, await enter('ann', 2, 0x33))).toBe('B5'); // one custodian twice
    expect(await form(one, two)).toBe('00');
    expect(await codeOf(() => enter('dan', 3, 0x33))).toBe('SOFT_HSM_SEAL');
  });
});

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
    expect(await verifyAuditLog(hsm.folder.auditLog, key)).toMatchObject({ bootCounter: 1 });
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

test('the log is fetched and acknowledged', async () => {
  const hsm = await initialised();
  const { line, payload } = await hsm.manage('log', { from: 2 });
  expect(line).toEqual({ count: 1 });
  expect(parseRecord(Buffer.from(payload!).toString('latin1').trim())).toMatchObject({ seq: 2 });
  expect(await codeOf(() => hsm.manage('acknowledge-log', { upTo: 99 }))).toBe('SOFT_HSM_STATE');
  await hsm.manage('acknowledge-log', { upTo: 2 });
  expect(hsm.machine.auditTrail!.head).toMatchObject({ seq: 3, acknowledged: 2 });
});
