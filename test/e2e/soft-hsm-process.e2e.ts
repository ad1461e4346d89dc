import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { verifyAuditLog } from '@openkdh/hsm-management';
import { createLocalCa } from '@openkdh/pki';
import { frame } from '../../apps/soft-hsm/src/wire/frames.ts';
import { linesOf } from '../support/lines.ts';
import { startSoftHsm } from '../support/soft-hsm.ts';
import { killAll, newHome, outcome, SoftHsmProcess } from '../support/soft-hsm-process.ts';
import { WireClient } from '../support/wire-client.ts';

/** The soft HSM as a process: how it starts, what it refuses to start with, how it ends, what survives. */

const generateKey = 'HEADA00FFFS#K0A1N00E00';

afterEach(() => killAll());

describe('a live HSM', () => {
  test('makes its LMK at the first start, seals it, and opens it at the next', async () => {
    const home = newHome();
    const first = new SoftHsmProcess(home.live);
    const { lmkCheckValue, lmkStatus } = await first.ready();
    expect(lmkStatus).toBe('live');
    expect(statSync(home.state).mode & 0o777).toBe(0o700);
    for (const name of ['lmk.sealed', 'audit.log', 'management.sock']) {
      expect(statSync(join(home.state, name)).mode & 0o777).toBe(0o600);
    }
    const client = await WireClient.unix(home.socket);
    const key = (await client.call(generateKey)).toString('latin1').slice(8, -6);
    expect(await first.stop()).toBe(0);
    expect(existsSync(home.socket)).toBe(false);
    expect(readdirSync(home.state).sort()).toEqual(['audit.log', 'lmk.sealed']);

    const second = new SoftHsmProcess(home.live);
    expect((await second.ready()).lmkCheckValue).toBe(lmkCheckValue);
    const again = await WireClient.unix(home.socket);
    expect((await again.call(`HEADBUFFF${key}`)).toString('latin1')).toMatch(/^HEADBV00/);
    expect(await second.stop('SIGINT')).toBe(0);
  });

  test('survives kill -9 in the middle of a load: no answer without its record, no count lost', async () => {
    const home = newHome();
    let hsm = new SoftHsmProcess(home.testLmk);
    let checkpointKey = (await hsm.ready()).checkpointKey;
    let client = await WireClient.unix(home.socket);
    const zmk = (await client.call(generateKey)).toString('latin1').slice(8, -6);
    const release = `HEADA01FFFS${zmk}R#P0A1E00E00`;
    let answered = 0;
    for (let round = 0; round < 3; round += 1) {
      client.socket.write(frame(Array(300).fill(Buffer.from(release))));
      const enough = 20 + 40 * round;
      for (let n = 0; n < enough; n += 1) {
        expect((await client.next()).toString('latin1', 0, 8)).toBe('HEADA100');
        answered += 1;
      }
      await hsm.stop('SIGKILL');
      client.close();
      const { operations } = await verifyAuditLog(
        linesOf(join(home.state, 'audit.log')),
        checkpointKey,
      ).catch(() => ({
        operations: -1,
      }));
      hsm = new SoftHsmProcess(home.testLmk);
      ({ checkpointKey } = await hsm.ready());
      client = await WireClient.unix(home.socket);
      const counter = Number((await client.call('HEADZC')).toString('latin1', 8));
      expect(counter).toBeGreaterThanOrEqual(answered);
      if (operations >= 0) expect(counter).toBeGreaterThanOrEqual(operations);
      answered = counter;
    }
    client.close();
    expect(await hsm.stop()).toBe(0);
    const head = await verifyAuditLog(linesOf(join(home.state, 'audit.log')), checkpointKey);
    expect(head).toMatchObject({ bootCounter: 4, operations: answered });
  });

  test('ends when its launcher is gone', async () => {
    const home = newHome();
    const hsm = new SoftHsmProcess(home.testLmk, { OPENKDH_PARENT_WATCH: '1' });
    await hsm.ready();
    hsm.child.stdin.end();
    expect(await hsm.exit).toBe(0);
  });

  test('its LMK is in no file', async () => {
    const home = newHome();
    const hsm = new SoftHsmProcess(home.live);
    await hsm.ready();
    const client = await WireClient.unix(home.socket);
    await client.call(generateKey);
    await hsm.stop();
    const files = readdirSync(home.state)
      .map((name) => readFileSync(join(home.state, name), 'latin1'))
      .join('');
    expect(files.match(/[0-9A-F]{64}/g)!.length).toBeGreaterThan(3); // hashes, fingerprints, the sealed LMK
    expect(Object.keys(JSON.parse(readFileSync(join(home.state, 'lmk.sealed'), 'utf8'))).sort()).toEqual([
      'bootCounter',
      'by',
      'checkValue',
      'lmkId',
      'logged',
      'nonce',
      'sealed',
      'status',
      'version',
    ]);
  });
});

describe('refuses to start', () => {
  const oneLine = (text: string | RegExp) => ({ code: 1, output: expect.stringMatching(text) });

  test('with a test LMK in the folder of a live one, and the other way round', async () => {
    const live = newHome();
    const hsm = new SoftHsmProcess(live.live);
    await hsm.ready();
    await hsm.stop();
    expect(await outcome(live.testLmk)).toMatchObject(oneLine(/holds a live LMK/));

    const testing = newHome();
    const other = new SoftHsmProcess(testing.testLmk);
    await other.ready();
    await other.stop();
    expect(await outcome(testing.live)).toMatchObject(oneLine(/has an audit log but no live LMK/));
  });

  test('with a wrong passphrase, one that others can read, one that is short, or none', async () => {
    const home = newHome();
    const hsm = new SoftHsmProcess(home.live);
    await hsm.ready();
    await hsm.stop();
    const before = readFileSync(join(home.state, 'lmk.sealed'), 'utf8');
    writeFileSync(home.passphraseFile, 'another passphrase\n');
    expect(await outcome(home.live)).toMatchObject(oneLine(/does not open/));
    chmodSync(home.passphraseFile, 0o644);
    expect(await outcome(home.live)).toMatchObject(oneLine(/must have mode 0600/));
    chmodSync(home.passphraseFile, 0o600);
    writeFileSync(home.passphraseFile, 'short\n');
    expect(await outcome(home.live)).toMatchObject(oneLine(/at least 12 bytes/));
    expect(await outcome([...home.live.slice(0, -1), join(home.folder, 'none')])).toMatchObject(
      oneLine(/does not exist/),
    );
    expect(readFileSync(join(home.state, 'lmk.sealed'), 'utf8')).toBe(before);
  });

  test('a passphrase file does not open a shared LMK', async () => {
    const home = newHome();
    mkdirSync(home.state, { mode: 0o700 });
    const sealed = {
      version: 2,
      lmkId: '00',
      status: 'live',
      checkValue: 'ABCDEF',
      bootCounter: 1,
      logged: true,
    };
    const by = { shares: { setId: '00'.repeat(16) } };
    writeFileSync(
      join(home.state, 'lmk.sealed'),
      JSON.stringify({ ...sealed, by, nonce: '00'.repeat(12), sealed: '00'.repeat(80) }),
    );
    expect(await outcome(home.live)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/shared among custodians/),
    });
  });

  test('twice on one folder', async () => {
    const home = newHome();
    const hsm = new SoftHsmProcess(home.testLmk);
    await hsm.ready();
    const second = await outcome([
      ...home.testLmk.slice(0, 3),
      '--socket',
      join(home.folder, 'other.sock'),
      '--test-lmk',
    ]);
    expect(second).toMatchObject(oneLine(/another process listens on .*management.sock/));
    expect(hsm.child.exitCode).toBeNull();
  });

  test('with an audit log that was changed, cut or taken from an older copy', async () => {
    const home = newHome();
    const start = async () => {
      const hsm = new SoftHsmProcess(home.live);
      await hsm.ready();
      const client = await WireClient.unix(home.socket);
      await client.call(generateKey);
      client.close();
      await hsm.stop();
    };
    await start();
    const log = join(home.state, 'audit.log');
    const older = readFileSync(log);
    await start();
    await start();
    const newest = readFileSync(log);
    writeFileSync(log, older);
    expect(await outcome(home.live)).toMatchObject(oneLine(/ends in start 1, the sealed LMK is of start 3/));
    writeFileSync(log, `${newest.toString('latin1').split('\n').slice(0, -2).join('\n')}\n`);
    await start(); // the last checkpoint is gone, the chain before it is whole
    const current = readFileSync(log, 'latin1');
    writeFileSync(log, current.replaceAll(/"signature":"../g, '"signature":"ZZ'));
    expect(await outcome(home.live)).toMatchObject(oneLine(/wrong signature/));
  });

  test('with a sealed LMK of an older start', async () => {
    const home = newHome();
    for (let n = 0; n < 3; n += 1) {
      const hsm = new SoftHsmProcess(home.live);
      await hsm.ready();
      await hsm.stop();
      if (n === 0) writeFileSync(join(home.folder, 'older'), readFileSync(join(home.state, 'lmk.sealed')));
    }
    writeFileSync(join(home.state, 'lmk.sealed'), readFileSync(join(home.folder, 'older')));
    expect(await outcome(home.live)).toMatchObject(oneLine(/rolled back/));
  });

  test('in a folder that others can enter', async () => {
    const home = newHome();
    mkdirSync(home.state, { mode: 0o755 });
    chmodSync(home.state, 0o755);
    expect(await outcome(home.testLmk)).toMatchObject(oneLine(/must belong to this user with mode 0700/));
  });

  test('under a debugger or with preloaded code', async () => {
    const { testLmk } = newHome();
    for (const NODE_OPTIONS of [
      '--inspect=127.0.0.1:0',
      '--require /dev/null',
      '-r /dev/null',
      '--import data:text/javascript,0',
    ]) {
      const { code, output } = await outcome(testLmk, { NODE_OPTIONS });
      expect(code).toBe(2);
      expect(output).toMatch(/does not run under a debugger/);
    }
  });

  test('with arguments that it does not understand', async () => {
    expect(await outcome(['serve'])).toMatchObject({
      code: 2,
      output: expect.stringMatching(/--state is needed/),
    });
    expect(await outcome(['open'])).toMatchObject({
      code: 2,
      output: expect.stringMatching(/expected serve/),
    });
  });

  test('on a port that is taken', async () => {
    const hsm = await startSoftHsm(['--test-lmk']);
    const home = newHome();
    const ca = await createLocalCa({ commonName: 'CA', notBefore: new Date() });
    const server = await ca.issueServer({ commonName: 'hsm', hosts: ['127.0.0.1'] });
    const file = (name: string, text: string) => {
      writeFileSync(join(home.folder, name), text);
      return join(home.folder, name);
    };
    const tls = [
      '--tls-cert',
      file('c', server.certificate),
      '--tls-key',
      file('k', server.privateKey),
      '--tls-ca',
      file('a', ca.certificate),
    ];
    expect(await outcome([...home.testLmk, '--tls-port', String(hsm.tlsPort), ...tls])).toMatchObject(
      oneLine(/EADDRINUSE/),
    );
    expect(
      await outcome([...home.testLmk, '--tls-port', '0', ...tls.slice(0, -1), join(home.folder, 'none')]),
    ).toMatchObject(oneLine(/cannot read/));
    expect(existsSync(home.socket)).toBe(false);
    await hsm.stop();
  });
});

describe('a failed HSM', () => {
  const answers = async (socket: string, ...commands: string[]) => {
    const client = await WireClient.unix(socket);
    const codes = [];
    for (const command of commands)
      codes.push((await client.call(`HEAD${command}`)).toString('latin1', 4, 8));
    client.close();
    return codes;
  };

  test.each([
    ['self-test', /self-tests have failed: injected fault/],
    ['noise-stuck', /self-tests have failed: noise sources/],
  ])('%s: serves, says so, and does nothing else', async (fault, reason) => {
    const home = newHome();
    const hsm = new SoftHsmProcess([...home.testLmk, '--inject-fault', fault]);
    expect(await hsm.ready()).toMatchObject({ state: 'FAILED' });
    await hsm.says(reason);
    expect(await answers(home.socket, 'NC', 'JK', 'A00FFFS#K0A1N00E00')).toEqual(['ND13', 'JL00', 'A141']);
    expect(await hsm.stop()).toBe(0);
  });

  test('log-full: no start without a record', async () => {
    const { code, output } = await outcome([...newHome().testLmk, '--inject-fault', 'log-full']);
    expect(code).toBe(1);
    expect(output).toMatch(/ENOSPC/);
  });
});

test('a core dump of it has no memory', async () => {
  const hsm = new SoftHsmProcess(newHome().testLmk);
  await hsm.ready();
  expect(readFileSync(`/proc/${hsm.child.pid}/coredump_filter`, 'latin1').trim()).toBe('00000000');
  await hsm.stop();
});

describe('started as root', () => {
  const asRoot = process.getuid?.() === 0 ? test : test.skip;

  asRoot('becomes another user, whose other processes cannot read its memory (needs root)', async () => {
    const home = newHome();
    const nobody = 65534;
    chmodSync(home.folder, 0o755); // on the way to the state folder
    const sockets = join(home.folder, 'sockets');
    mkdirSync(sockets, { mode: 0o700 });
    chownSync(sockets, nobody, nobody);
    const socket = join(sockets, 'host.sock');
    const hsm = new SoftHsmProcess([...home.testLmk, '--socket', socket, '--user', `${nobody}:${nobody}`]);
    await hsm.ready();
    const status = readFileSync(`/proc/${hsm.child.pid}/status`, 'latin1');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(statSync(home.state).uid).toBe(nobody);
    const reader = `require('fs').openSync('/proc/${hsm.child.pid}/mem')`;
    const { stderr } = spawnSync(process.execPath, ['-e', reader], {
      uid: nobody,
      gid: nobody,
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/EACCES|EPERM/);
    const client = await WireClient.unix(socket);
    expect((await client.call(generateKey)).toString('latin1', 4, 8)).toBe('A100');
    expect(await hsm.stop()).toBe(0);
  });
});
