import { spawnSync } from 'node:child_process';
import { createPrivateKey, randomBytes, sign } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deriveAesInitialKey } from '@openkdh/dukpt';
import { type Order, orderBytes } from '@openkdh/hsm-management';
import { callHsm } from '../../apps/cli/src/hsm/management.ts';
import { openkdh, readSteps } from '../cli/transcript.ts';
import { findKeysInMemory, type Needle } from '../support/key-scan.ts';
import { killAll, newHome, SoftHsmProcess } from '../support/soft-hsm-process.ts';
import { atTerminal } from '../support/terminal.ts';
import { WireClient } from '../support/wire-client.ts';

/** An HSM under dual control from its first hour to its last, as a process, with `openkdh hsm` at its management socket. */

const home = newHome();
const socket = join(home.state, 'management.sock');
const officers = ['olga', 'otto'];
const passphraseOf = (custodian: string) => Buffer.from(`the passphrase of ${custodian}`);
let hsm: SoftHsmProcess;

async function manage(command: string, parameters: object = {}, payload: Uint8Array = Buffer.alloc(0)) {
  return (await callHsm(socket, command, { ...parameters }, payload)).line;
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
  const signatures = officers.map((officer) => {
    const key = createPrivateKey(readFileSync(join(home.folder, `${officer}.pem`)));
    return { officer, signature: sign(null, orderBytes(ordered), key).toString('hex').toUpperCase() };
  });
  return manage('order', { signed: { order: ordered, signatures } });
}

async function unlock() {
  await manage('give-share', { custodian: 'ann' }, passphraseOf('ann'));
  return manage('give-share', { custodian: 'dan' }, passphraseOf('dan'));
}

beforeAll(async () => {
  mkdirSync(join(home.folder, 'bin'));
  symlinkSync(openkdh, join(home.folder, 'bin/openkdh'));
  hsm = new SoftHsmProcess(home.dualControl);
  await hsm.ready();
});
afterAll(() => killAll());

/** Runs `openkdh hsm …` with lines to answer its questions; `--json`, so that the answer is one line. */
function openkdhHsm(args: string[], answers: readonly string[] = []) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [openkdh, 'hsm', ...args, '--json'], {
    cwd: home.folder,
    input: answers.map((line) => `${line}\n`).join(''),
    encoding: 'utf8',
  });
  return { code: status, answer: JSON.parse(stdout || '{}'), said: stderr };
}

describe('the ceremony in docs/hsm.md, word for word', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/hsm.md'), 'utf8');
  const section = page.split(/^## /m).find((text) => text.startsWith('A ceremony\n'))!;
  const blocks = [...section.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block!);
  const components = ['C1D0 F8FB 4958 670D BA40 AB1F 3752 EF0D', '0123 4567 89AB CDEF FEDC BA98 7654 3210'];
  let checkpointKey = '';

  test.each(blocks.map((block) => [/hsm (?!sign)[\w-]+/.exec(block)![0], block]))('%s', async (_, block) => {
    for (const { command, printed } of readSteps(block)) {
      const path = `${join(home.folder, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`;
      const where = { cwd: home.folder, env: { PATH: path, CHECKPOINT_KEY: checkpointKey } };
      const { seen, exitCode } = await atTerminal(command, where, personAt(printed));
      checkpointKey = /checkpointKey {2}([0-9A-F]{64})/.exec(seen)?.[1] ?? checkpointKey;
      expect({ command, seen: seen.replaceAll(/ +$/gm, '').trimEnd(), exitCode }).toEqual({
        command,
        seen: expect.stringMatching(pattern(printed)),
        exitCode: 0,
      });
      expect(seen).not.toContain('the passphrase of');
      expect(seen).not.toContain(components[0]);
    }
    if (block === blocks[0]) await strangerIsCutOff();
  });

  /** Answers as the page shows it, and types what it does not show. */
  function personAt(printed: string): (question: string) => string {
    const names = [...printed.matchAll(/Name of the custodian: (\w+)/g)].map(([, name]) => name!);
    let person = '';
    return (question) => {
      if (question.includes('type yes')) return 'yes';
      if (question.includes('Name of the custodian')) return names.shift()!;
      person = /(\w+): .*: $/.exec(question)?.[1] ?? person; // the same once more, where nobody is named
      const component = /component (\d) in hex/.exec(question)?.[1];
      return component ? components[Number(component) - 1]! : String(passphraseOf(person));
    };
  }

  test('what the officers sign says what is granted, and no more', () => {
    const { order } = JSON.parse(readFileSync(join(home.folder, 'grant.order'), 'utf8')) as { order: object };
    const ofEveryOrder = ['v', 'hsm', 'act', 'notBefore', 'expiry', 'nonce', 'purpose', 'ticket'];
    const ofAGrant = ['activity', 'client', 'count', 'lmkId'];
    expect(Object.keys(order).sort()).toEqual([...ofEveryOrder, ...ofAGrant].sort());
  });

  async function strangerIsCutOff(): Promise<void> {
    const stranger = await WireClient.unix(home.socket);
    await expect(stranger.call('HEADNC')).rejects.toThrow('closed the connection');
  }
});

/** What a page shows, where … stands for whatever is there. */
function pattern(shown: string): RegExp {
  const parts = shown.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`);
}

/** Has keys formed, entered, used and derived, and names them all. */
async function useKnownKeys(): Promise<Needle[]> {
  const components = [randomBytes(16), randomBytes(16)];
  const bdk = Buffer.from(components[0]!.map((byte, n) => byte ^ components[1]![n]!));
  const host = await WireClient.unix(home.socket);
  const call = async (command: string) => (await host.call(`HEAD${command}`)).toString('latin1').slice(4);
  const blocks: string[] = [];
  for (const [n, custodian] of ['ann', 'dan'].entries()) {
    const attributes = { keyUsage: 'B0', algorithm: 'A1', modeOfUse: 'X', exportability: 'S' };
    const passphrase = passphraseOf(custodian);
    const parameters = { ...attributes, custodian, number: n + 1, passphraseBytes: passphrase.length };
    const entered = await manage('enter-component', parameters, Buffer.concat([passphrase, components[n]!]));
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
  return [
    { name: 'BDK', key: bdk },
    ...components.map((key, n) => ({ name: `component ${n + 1}`, key })),
    ...['ann', 'bob', 'dan'].map((custodian) => ({
      name: `passphrase of ${custodian}`,
      key: passphraseOf(custodian),
    })),
    ...initialKeys,
  ];
}

/** Within ten seconds: V8 gives pages that it has emptied back a little later. */
async function expectNotInMemory(needles: Needle[]): Promise<void> {
  const scan = () => findKeysInMemory(hsm.child.pid!, needles);
  let { found, scannedBytes } = scan();
  for (const deadline = Date.now() + 10_000; found.length > 0 && Date.now() < deadline; ) {
    await sleep(500);
    ({ found, scannedBytes } = scan());
  }
  expect(scannedBytes).toBeGreaterThan(10_000_000);
  expect(found).toEqual([]);
}

describe('dual control', () => {
  test('a host that the officers let in no longer may do nothing', async () => {
    const host = await WireClient.unix(home.socket);
    const code = async () => (await host.call('HEADNC')).toString('latin1', 4, 8);
    expect(await code()).toBe('ND00');
    await order('set-hosts', { hosts: [] });
    expect(await code()).toBe('ND68');
    await order('set-hosts', {
      hosts: JSON.parse(readFileSync(join(home.folder, 'hosts.json'), 'utf8')).hosts,
    });
    expect(await code()).toBe('ND00');
    host.close();
  });

  test('kill -9: locked, and a quorum opens it; keys are the same', async () => {
    let host = await WireClient.unix(home.socket);
    const key = (await host.call('HEADA00FFFS#K0A1N00E00')).toString('latin1').slice(8, -6);
    await hsm.stop('SIGKILL');
    hsm = new SoftHsmProcess(home.dualControl);
    expect(await hsm.ready()).toMatchObject({ state: 'LOCKED' });
    expect(await unlock()).toMatchObject({ state: 'OPERATIONAL' });
    host = await WireClient.unix(home.socket);
    expect((await host.call(`HEADBUFFF${key}`)).toString('latin1')).toMatch(/^HEADBV00/);
    host.close();
  });

  test('no key that was formed, used or entered is in the memory of the locked HSM', async () => {
    const needles = await useKnownKeys();
    expect(await manage('lock')).toMatchObject({ state: 'LOCKED' });
    await expectNotInMemory(needles);
    expect(await unlock()).toMatchObject({ state: 'OPERATIONAL' });
  });

  test('a passphrase is gone from the memory of the HSM when its command is answered', async () => {
    const needles = ['ann', 'dan'].map((name) => ({ name, key: passphraseOf(name) }));
    const attributes = { keyUsage: 'B0', algorithm: 'A1', modeOfUse: 'X', exportability: 'S', number: 1 };
    for (let round = 0; round < 3; round += 1) {
      const passphrase = passphraseOf('dan');
      const parameters = { ...attributes, custodian: 'dan', passphraseBytes: passphrase.length };
      await manage('enter-component', parameters, Buffer.concat([passphrase, randomBytes(16)]));
      expect(findKeysInMemory(hsm.child.pid!, needles).found).toEqual([]);
      await manage('lock');
      await unlock();
      expect(findKeysInMemory(hsm.child.pid!, needles).found).toEqual([]);
    }
  });

  test('the command line: answers from lines; a refusal has its code and ends it; what was broken off goes on', async () => {
    expect(openkdhHsm(['status', '--socket', socket])).toMatchObject({
      code: 0,
      answer: { state: 'OPERATIONAL', ceremony: { given: 0, waitingFor: [] } },
    });
    const attributes = [
      '--key-usage',
      'B0',
      '--algorithm',
      'A1',
      '--mode-of-use',
      'X',
      '--exportability',
      'S',
    ];
    const component = ['component', '--socket', socket, '--custodian', 'ann', '--number', '1', ...attributes];
    const digits = '0011 2233 4455 6677 8899 aabb ccdd eeff';
    expect(openkdhHsm(component, [String(passphraseOf('ann')), digits])).toMatchObject({
      code: 0,
      answer: { keyBlock: expect.stringMatching(/^S1/), kcv: expect.stringMatching(/^[0-9A-F]{6}$/) },
    });
    expect(openkdhHsm(component, ['the passphrase of amy', digits])).toMatchObject({
      code: 1,
      answer: { error: { code: 'SOFT_HSM_SEAL' } },
    });
    expect(openkdhHsm(component, [String(passphraseOf('ann')), '00'])).toMatchObject({
      code: 1,
      answer: { error: { code: 'A5' } },
    });
    expect(openkdhHsm(component, [String(passphraseOf('ann')), 'not hex'])).toMatchObject({
      code: 2,
      answer: { error: { code: 'CLI_MEMBER_INVALID' } },
    });
    expect(openkdhHsm(component)).toMatchObject({
      code: 2,
      answer: { error: { code: 'CLI_MEMBER_MISSING' } },
    });

    // One custodian gives a share and the line goes dead; the other goes on later.
    expect(openkdhHsm(['lock', '--socket', socket])).toMatchObject({ code: 0, answer: { state: 'LOCKED' } });
    const ann = ['ann', String(passphraseOf('ann'))];
    expect(openkdhHsm(['unlock', '--socket', socket], ann)).toMatchObject({
      code: 2,
      answer: { error: { code: 'CLI_MEMBER_MISSING' } },
    });
    expect(openkdhHsm(['shares', '--socket', socket], ['dan', 'the passphrase of dan'])).toMatchObject({
      code: 0,
      answer: { state: 'OPERATIONAL' },
      said: expect.stringContaining('Share 2 of 2 to unlock the HSM'),
    });
    expect(openkdhHsm(['unlock', '--socket', socket])).toMatchObject({
      code: 1,
      answer: { error: { code: 'SOFT_HSM_STATE' } },
    });
  });

  test('the command line: an order that is not signed by two, a key that others can read, a log that was changed', async () => {
    const why = ['--purpose', 'test', '--ticket', 'T-9'];
    expect(openkdhHsm(['change-lmk', '--socket', socket, '--out', 'lmk.order', ...why]).code).toBe(0);
    const signIt = ['sign', 'lmk.order', '--officer', 'olga', '--key', 'olga.pem'];
    expect(openkdhHsm(signIt, ['no']).code).toBe(130);
    expect(openkdhHsm(signIt, ['yes'])).toMatchObject({ code: 0, answer: { signedBy: ['olga'] } });
    expect(openkdhHsm(signIt, ['yes'])).toMatchObject({ code: 0, answer: { signedBy: ['olga'] } }); // once, not twice
    expect(openkdhHsm(['order', 'lmk.order', '--socket', socket])).toMatchObject({
      code: 1,
      answer: { error: { code: 'SOFT_HSM_ORDER' } },
    });
    chmodSync(join(home.folder, 'otto.pem'), 0o640);
    expect(
      openkdhHsm(['sign', 'lmk.order', '--officer', 'otto', '--key', 'otto.pem'], ['yes']),
    ).toMatchObject({
      code: 2,
      answer: { error: { code: 'CLI_FILE', message: expect.stringContaining('0600') } },
    });
    chmodSync(join(home.folder, 'otto.pem'), 0o600);
    const again = ['change-lmk', '--socket', socket, '--out', 'lmk.order', ...why];
    expect(openkdhHsm(again)).toMatchObject({ code: 2, answer: { error: { code: 'CLI_FILE' } } }); // never over another

    const { checkpointKey } = (await manage('status'))['auditLog'] as { checkpointKey: string };
    const changed = readFileSync(join(home.folder, 'hsm.log'), 'latin1').replace(
      '"set-hosts"',
      '"get-hosts"',
    );
    writeFileSync(join(home.folder, 'changed.log'), changed, 'latin1');
    for (const verb of [
      ['verify-log', 'changed.log'],
      ['log', '--socket', socket, '--out', 'changed.log'],
    ]) {
      expect(openkdhHsm([...verb, '--checkpoint-key', checkpointKey])).toMatchObject({
        code: 1,
        answer: { error: { code: 'HSM_LOG_BROKEN' } },
      });
    }
  });

  test('erasing: connections end, no key is in memory, the LMK is gone, a restart does not bring it back', async () => {
    const needles = await useKnownKeys();
    const host = await WireClient.unix(home.socket);
    expect(openkdhHsm(['zeroise', '--socket', socket, '--confirm', 'erase'])).toMatchObject({
      answer: { state: 'TAMPERED' },
    });
    await expect(host.call('HEADNC')).rejects.toThrow('closed the connection');
    await expectNotInMemory(needles);
    expect(existsSync(join(home.state, 'lmk.sealed'))).toBe(false);
    expect(await hsm.stop()).toBe(0);
    hsm = new SoftHsmProcess(home.dualControl);
    expect(await hsm.ready()).toMatchObject({ state: 'TAMPERED' });
  });
});
