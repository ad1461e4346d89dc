import { describe, expect, test } from '@jest/globals';
import { codeOf } from '../../../../test/support/refusal-code.ts';
import { InProcessHsm } from '../../../../test/support/soft-hsm-in-process.ts';
import type { AnswerCode } from '../answer-codes.ts';
import { SoftHsmError } from '../errors.ts';
import { parseHostList } from './host-list.ts';
import { Hosts } from './hosts.ts';
import { TokenBucket } from './token-bucket.ts';

const fingerprint = 'AB'.repeat(32);
const kdh = {
  name: 'kdh-1',
  id: 'local',
  commands: ['NC', 'A0', 'BU'],
  usages: ['K0', 'B0'],
  lmkIds: ['01'],
};
const listOf = (...hosts: object[]) => parseHostList(JSON.stringify({ hosts }));

describe('list of hosts', () => {
  test('is read', () => {
    const list = listOf(kdh, { ...kdh, name: 'kdh 2', id: fingerprint, commands: '*', rates: { A0: 100 } });
    expect(list.get('local')).toEqual({ ...kdh, rates: {} });
    expect(list.get(fingerprint)).toMatchObject({ commands: '*', rates: { A0: 100 } });
    expect(list.get('CD'.repeat(32))).toBeUndefined();
  });

  test.each<[string, object | string]>([
    ['no JSON', '{'],
    ['no hosts', '{}'],
    ['hosts that are no array', '{"hosts":{}}'],
    ['a host that is no object', '{"hosts":["local"]}'],
    ['no name', { ...kdh, name: '' }],
    ['an id that is no fingerprint', { ...kdh, id: 'ab'.repeat(32) }],
    ['a command that this HSM has not', { ...kdh, commands: ['G0'] }],
    ['commands that are no list', { ...kdh, commands: 'A0' }],
    ['a usage that is none', { ...kdh, usages: ['K'] }],
    ['an LMK id that is none', { ...kdh, lmkIds: ['20'] }],
    ['a rate that is none', { ...kdh, rates: { A0: 0 } }],
    ['something else', { ...kdh, role: 'admin' }],
    ['no usages', { ...kdh, usages: undefined }],
  ])('is refused with %s', (_, host) => {
    const contents = typeof host === 'string' ? host : JSON.stringify({ hosts: [host] });
    expect(() => parseHostList(contents)).toThrow(SoftHsmError);
  });

  test('is refused with a host twice', () => {
    expect(() => listOf(kdh, kdh)).toThrow('twice');
  });
});

describe('a host', () => {
  test('may do what its entry says and nothing else', async () => {
    const hsm = new InProcessHsm({ hostList: listOf(kdh) });
    expect((await hsm.call('NC')).slice(0, 4)).toBe('ND00');
    expect(await hsm.call('N0008')).toBe('N168');
    expect((await hsm.call('A00FFFS#K0A1N00E00')).slice(0, 4)).toBe('A100');
    expect(await hsm.call('A00FFFS#P0A1E00E00')).toBe('A1A6'); // a usage that it may not make
    const pinKey = (await new InProcessHsm().call('A00FFFS#P0A1E00E00')).slice(4, -6);
    expect(await hsm.call(`BUFFF${pinKey}`)).toBe('BVA6'); // nor use
    const elsewhere = new InProcessHsm({ hostList: listOf({ ...kdh, lmkIds: ['00'] }) });
    expect(await elsewhere.call('A00FFFS#K0A1N00E00')).toBe('A113');
  });

  test('that is not in the list is not there', () => {
    const hosts = new Hosts(listOf(kdh), () => 0);
    expect(hosts.get('local')).toBe(hosts.get('local'));
    expect(hosts.get(fingerprint)).toBeUndefined();
  });

  test('without a list, whoever comes may do everything', () => {
    const host = new Hosts(undefined, () => 0).get(fingerprint)!;
    expect(codeOf(() => host.requireCommand('A0'))).toBe('done');
    expect(codeOf(() => host.requireUsage('K0'))).toBe('done');
    expect(codeOf(() => host.requireLmk('19'))).toBe('done');
  });

  test('that is too fast gets 41, one command apart from the other, and all its connections together', () => {
    let now = 0;
    const host = new Hosts(listOf({ ...kdh, rates: { A0: 2 } }), () => now).get('local')!;
    const codes = () => Array.from({ length: 3 }, () => codeOf(() => host.requireCommand('A0')));
    expect(codes()).toEqual(['done', 'done', '41']);
    expect(codeOf(() => host.requireCommand('NC'))).toBe('done');
    now = 500;
    expect(codes()).toEqual(['done', '41', '41']);
    now = 10_000;
    expect(codes()).toEqual(['done', 'done', '41']);
  });

  test('that sends broken key blocks is shut out for ten minutes, and JK says so', async () => {
    let now = 0;
    const hosts = new Hosts(undefined, () => now);
    const host = hosts.get('local')!;
    const answer = (code: AnswerCode, count: number) => {
      for (let n = 0; n < count; n += 1) host.answered(code);
    };
    answer('A4', 19);
    answer('15', 100);
    expect(codeOf(() => host.requireTrust())).toBe('done');
    now = 61_000;
    answer('17', 19); // the first ones are too old to count
    expect(codeOf(() => host.requireTrust())).toBe('done');
    answer('17', 1);
    expect(codeOf(() => host.requireTrust())).toBe('39');
    expect(hosts.anyLocked).toBe(true);
    expect(codeOf(() => hosts.get(fingerprint)!.requireTrust())).toBe('done');
    now += 600_000;
    expect(codeOf(() => host.requireTrust())).toBe('done');

    const hsm = new InProcessHsm();
    const key = (await hsm.call('A00FFFS#K0A1N00E00')).slice(4, -6);
    const broken = `BUFFF${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
    const codes = await Promise.all(
      Array.from({ length: 21 }, async () => (await hsm.call(broken)).slice(2)),
    );
    expect(new Set(codes.slice(0, 20))).toEqual(new Set(['A4']));
    expect(await hsm.call(broken)).toBe('BV39');
    expect((await hsm.call('JK')).slice(-2)).toBe('10');
    expect((await hsm.call('NC')).slice(0, 4)).toBe('ND00');
  });
});

test('a token bucket whose clock is set back gives nothing for it', () => {
  let now = 1000;
  const bucket = new TokenBucket(1, () => now);
  expect(bucket.take()).toBe(true);
  now = 0;
  expect(bucket.take()).toBe(false);
  now = 999;
  expect(bucket.take()).toBe(false);
  now = 1000;
  expect(bucket.take()).toBe(true);
});
