import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type AuditRecord, parseRecord, verifyAuditLog } from '@openkdh/hsm-management';
import {
  CeremonyHsm,
  codeOf,
  eventsOf,
  initialised,
  passphraseOf,
  recordsOf,
  TestOfficer,
} from '../../../../test/support/ceremony.ts';
import { linesOf } from '../../../../test/support/lines.ts';

afterEach(() => CeremonyHsm.closeAll());

describe('initialisation', () => {
  test('begins when every share is taken, and then the HSM has an LMK', async () => {
    const hsm = new CeremonyHsm();
    expect(hsm.machine.state).toBe('UNINITIALISED');
    expect(await hsm.call('NC')).toBe('ND13');
    const officers = hsm.officers.map(({ name, publicKey }) => ({ name, publicKey }));
    const { line } = await hsm.manage('initialise', { officers, custodians: ['ann', 'bob'], threshold: 2 });
    expect(line).toEqual({
      ...{ state: 'UNINITIALISED', given: 0, needed: 0, taken: 0 },
      waitingFor: ['ann', 'bob'],
    });
    await hsm.manage('take-share', { custodian: 'bob' }, passphraseOf('bob'));
    expect(hsm.machine.state).toBe('UNINITIALISED');
    const done = await hsm.manage('take-share', { custodian: 'ann' }, passphraseOf('ann'));
    expect(done.line).toEqual({
      ...{ state: 'OPERATIONAL', given: 0, needed: 0, taken: 0 },
      waitingFor: [],
    });
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
      expect(await hsm.give(quorum[0])).toMatchObject({
        ...{ state: 'LOCKED', asked: 'unlock', given: 1, needed: 2 },
      });
      expect(await hsm.give(quorum[1])).toMatchObject({ state: 'OPERATIONAL' });
      expect((await hsm.call(`BUFFF${key}`)).slice(0, 4)).toBe('BV00');
    }
    await hsm.vault.close();
    const [boot] = recordsOf(hsm) as [AuditRecord & { event: 'boot' }];
    expect(await verifyAuditLog(linesOf(hsm.folder.auditLog), boot.checkpointKey)).toMatchObject({
      bootCounter: 4,
    });
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

test('the log is fetched and acknowledged', async () => {
  const hsm = await initialised();
  const { line, payload } = await hsm.manage('log', { from: 2 });
  expect(line).toEqual({ count: 1 });
  expect(parseRecord(Buffer.from(payload!).toString('latin1').trim())).toMatchObject({ seq: 2 });
  expect(await codeOf(() => hsm.manage('acknowledge-log', { upTo: 99 }))).toBe('SOFT_HSM_STATE');
  await hsm.manage('acknowledge-log', { upTo: 2 });
  expect(hsm.machine.auditTrail!.head).toMatchObject({ seq: 3, acknowledged: 2 });
});
