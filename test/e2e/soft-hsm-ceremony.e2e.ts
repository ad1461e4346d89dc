import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deriveAesInitialKey } from '@openkdh/dukpt';
import { type Order, orderBytes } from '@openkdh/hsm-management';
import { callManagement } from '../../apps/soft-hsm/src/management/client.ts';
import { findKeysInMemory } from '../support/key-scan.ts';
import { killAll, newHome, SoftHsmProcess, softHsmProgram } from '../support/soft-hsm-process.ts';
import { WireClient } from '../support/wire-client.ts';

/** An HSM under dual control from its first hour to its last, as a process, at its management socket. */

const home = newHome();
const officers = ['olga', 'otto'].map((name) => ({ name, ...generateKeyPairSync('ed25519') }));
const custodians = ['ann', 'bob', 'cleo'];
const passphraseOf = (custodian: string) => Buffer.from(`the passphrase of ${custodian}`);
const hexOf = (key: KeyObject) =>
  key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex').toUpperCase();
const hosts = [{ name: 'kdh', id: 'local', commands: '*', usages: '*', lmkIds: '*' }];
let hsm: SoftHsmProcess;

async function manage(command: string, parameters: object = {}, payload: Uint8Array = Buffer.alloc(0)) {
  const { line } = await callManagement(
    join(home.state, 'management.sock'),
    { command, ...parameters },
    payload,
  );
  return line;
}

async function newOrder(act: string, details: object): Promise<Order> {
  const { hsmId } = (await manage('status')) as { hsmId: string };
  const times = [-60_000, 3_600_000].map((offset) => new Date(Date.now() + offset).toISOString());
  const nonce = randomBytes(16).toString('hex').toUpperCase();
  const reason = { purpose: 'test', ticket: 'T-1' };
  return { v: 1, hsm: hsmId, act, notBefore: times[0]!, expiry: times[1]!, nonce, ...reason, ...details };
}

async function order(act: string, details: object) {
  const ordered = await newOrder(act, details);
  const signatures = officers.map(({ name, privateKey }) => ({
    officer: name,
    signature: sign(null, orderBytes(ordered), privateKey).toString('hex').toUpperCase(),
  }));
  return manage('order', { signed: { order: ordered, signatures } });
}

async function unlock() {
  await manage('give-share', { custodian: 'ann' }, passphraseOf('ann'));
  return manage('give-share', { custodian: 'cleo' }, passphraseOf('cleo'));
}

beforeAll(async () => {
  hsm = new SoftHsmProcess(home.dualControl);
  await hsm.ready();
}, 60_000);
afterAll(() => killAll());

describe('dual control', () => {
  test('begins with officers and custodians, and lets nobody in until the officers say who', async () => {
    expect(await manage('status')).toMatchObject({ state: 'UNINITIALISED' });
    const names = officers.map(({ name, publicKey }) => ({ name, publicKey: hexOf(publicKey) }));
    await manage('initialise', { officers: names, custodians, threshold: 2 });
    for (const custodian of custodians) await manage('take-share', { custodian }, passphraseOf(custodian));
    expect(await manage('status')).toMatchObject({ state: 'OPERATIONAL', officers: names });

    const stranger = await WireClient.unix(home.socket);
    await expect(stranger.call('HEADNC')).rejects.toThrow('closed the connection');
    expect(await order('set-hosts', { hosts })).toMatchObject({ ok: true });
    const host = await WireClient.unix(home.socket);
    expect((await host.call('HEADNC')).toString('latin1', 4, 8)).toBe('ND00');
    host.close();
  }, 60_000);

  test('kill -9: locked, and a quorum opens it; keys are the same', async () => {
    let host = await WireClient.unix(home.socket);
    const key = (await host.call('HEADA00FFFS#K0A1N00E00')).toString('latin1').slice(8, -6);
    await hsm.stop('SIGKILL');
    hsm = new SoftHsmProcess(home.dualControl);
    expect(await hsm.ready()).toMatchObject({ state: 'LOCKED' });
    expect(await unlock()).toMatchObject({ ok: true, state: 'OPERATIONAL' });
    host = await WireClient.unix(home.socket);
    expect((await host.call(`HEADBUFFF${key}`)).toString('latin1')).toMatch(/^HEADBV00/);
    host.close();
  }, 60_000);

  test('no key that was formed, used or entered is in the memory of the locked HSM', async () => {
    const components = [randomBytes(16), randomBytes(16)];
    const bdk = Buffer.from(components[0]!.map((byte, n) => byte ^ components[1]![n]!));
    const host = await WireClient.unix(home.socket);
    const call = async (command: string) => (await host.call(`HEAD${command}`)).toString('latin1').slice(4);
    const blocks: string[] = [];
    for (const [n, custodian] of ['ann', 'bob'].entries()) {
      const attributes = { keyUsage: 'B0', algorithm: 'A1', modeOfUse: 'X', exportability: 'S' };
      const passphrase = passphraseOf(custodian);
      const parameters = { ...attributes, custodian, number: n + 1, passphraseBytes: passphrase.length };
      const entered = await manage(
        'enter-component',
        parameters,
        Buffer.concat([passphrase, components[n]!]),
      );
      blocks.push(entered['keyBlock'] as string);
    }
    await order('grant', { activity: 'component.B0.host', client: 'local', lmkId: '00', count: 1 });
    const formed = await call(`A42FFFS${blocks.join('')}#0000`);
    expect(formed.slice(0, 4)).toBe('A500');
    const zmk = (await call('A00FFFS#K1A1B00E00')).slice(4, -6);
    const initialKeys = [];
    for (let n = 0; n < 50; n += 1) {
      const id = Buffer.from(`00000000000000${n.toString(16).padStart(2, '0')}`, 'hex');
      const ksn = id.toString('hex').toUpperCase();
      expect((await call(`A0BFFFS01${formed.slice(4, -6)}${ksn}${zmk}R#B1A1X00S00&N!D`)).slice(0, 4)).toBe(
        'A100',
      );
      initialKeys.push({ name: `initial key ${n}`, key: deriveAesInitialKey(bdk, id) });
    }
    host.close();
    expect(await manage('lock')).toMatchObject({ state: 'LOCKED' });
    const needles = [
      { name: 'BDK', key: bdk },
      ...components.map((key, n) => ({ name: `component ${n + 1}`, key })),
      ...custodians.map((custodian) => ({
        name: `passphrase of ${custodian}`,
        key: passphraseOf(custodian),
      })),
      ...initialKeys,
    ];
    const { found, scannedBytes } = findKeysInMemory(hsm.child.pid!, needles);
    expect(scannedBytes).toBeGreaterThan(10_000_000);
    expect(found).toEqual([]);
    expect(await unlock()).toMatchObject({ state: 'OPERATIONAL' });
  }, 60_000);

  test('the command line: prompts for secrets, signs orders, says by its exit code how it went', async () => {
    const run = (args: string[], input = '') => {
      const { status, stdout } = spawnSync(process.execPath, [softHsmProgram, ...args], {
        input,
        encoding: 'utf8',
      });
      return { code: status, answer: JSON.parse(stdout || '{}') };
    };
    const command = (name: string, parameters: object, ...options: string[]) => [
      'manage',
      '--state',
      home.state,
      name,
      '--parameters',
      JSON.stringify(parameters),
      ...options,
    ];
    expect(run(command('status', {}))).toMatchObject({ code: 0, answer: { ok: true, state: 'OPERATIONAL' } });
    const component = {
      keyUsage: 'B0',
      algorithm: 'A1',
      modeOfUse: 'X',
      exportability: 'S',
      custodian: 'ann',
      number: 1,
    };
    const secrets = `${passphraseOf('ann')}\n0011 2233 4455 6677 8899 aabb ccdd eeff\n`;
    const enter = command('enter-component', component, '--ask-passphrase', '--ask-component');
    expect(run(enter, secrets).answer).toMatchObject({
      ok: true,
      kcv: expect.stringMatching(/^[0-9A-F]{6}$/),
    });
    expect(run(enter, secrets.replace('ann', 'amy'))).toMatchObject({
      code: 1,
      answer: { code: 'SOFT_HSM_SEAL' },
    });
    expect(run(command('no-such', {}))).toMatchObject({ code: 1, answer: { ok: false } });

    const signed = await newOrder('set-hosts', { hosts });
    const file = join(home.folder, 'order.json');
    writeFileSync(file, JSON.stringify(signed));
    const signatures = officers.map(({ name, privateKey }) => {
      const keyFile = join(home.folder, `${name}.pem`);
      writeFileSync(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
      return run(['sign-order', '--officer', name, '--key', keyFile, file]).answer;
    });
    const parameters = join(home.folder, 'parameters.json');
    writeFileSync(parameters, JSON.stringify({ signed: { order: signed, signatures } }));
    expect(run(['manage', '--state', home.state, 'order', '--parameters', `@${parameters}`])).toMatchObject({
      code: 0,
    });
    expect(run(command('backup', {}, '--save', join(home.folder, 'backup')))).toMatchObject({ code: 0 });
    expect(existsSync(join(home.folder, 'backup'))).toBe(true);
  }, 60_000);

  test('erasing: connections end, the LMK is gone, a restart does not bring it back', async () => {
    const host = await WireClient.unix(home.socket);
    expect(await manage('zeroise', { confirm: 'erase' })).toMatchObject({ state: 'TAMPERED' });
    await expect(host.call('HEADNC')).rejects.toThrow('closed the connection');
    expect(existsSync(join(home.state, 'lmk.sealed'))).toBe(false);
    expect(await hsm.stop()).toBe(0);
    hsm = new SoftHsmProcess(home.dualControl);
    expect(await hsm.ready()).toMatchObject({ state: 'TAMPERED' });
  }, 60_000);
});
