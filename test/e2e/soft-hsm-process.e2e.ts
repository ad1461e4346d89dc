import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
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
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { canonicalJson, verifyAuditLog } from '@openkdh/hsm-management';
import { createLocalCa } from '@openkdh/pki';
import type { SignedManifest } from '../../apps/soft-hsm/src/manifest/manifest.ts';
import { frame } from '../../apps/soft-hsm/src/wire/frames.ts';
import { linesOf } from '../support/lines.ts';
import { type RunningSoftHsm, startSoftHsm } from '../support/soft-hsm.ts';
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

describe('a signed manifest', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');

  /** The arguments to serve with a manifest of the program, or of one that has had another file. */
  async function manifestOf(
    home: ReturnType<typeof newHome>,
    change?: (files: Record<string, string>) => void,
  ) {
    const [key, keyFile] = [join(home.folder, 'installer.pem'), join(home.folder, 'installer.pub')];
    const file = join(home.folder, 'manifest.json');
    writeFileSync(keyFile, publicKey.export({ format: 'pem', type: 'spki' }));
    writeFileSync(key, privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const { output } = await outcome(['sign-manifest', '--key', key]);
    const { manifest, signature } = JSON.parse(output) as SignedManifest;
    change?.(manifest.files);
    const anew = sign(null, Buffer.from(canonicalJson(manifest)), privateKey)
      .toString('hex')
      .toUpperCase();
    if (!change) expect(anew).toBe(signature);
    writeFileSync(file, JSON.stringify({ manifest, signature: anew }));
    return ['--manifest', file, '--manifest-key', keyFile] as const;
  }
  const otherFile = (files: Record<string, string>) => {
    files['@openkdh/soft-hsm/dist/hsm.js'] = '00'.repeat(32);
  };

  test('that fits the files: it works', async () => {
    const home = newHome();
    const hsm = new SoftHsmProcess([...home.live, ...(await manifestOf(home))]);
    expect(await hsm.ready()).toMatchObject({ state: 'OPERATIONAL' });
    await hsm.stop();
  });

  test('that does not: FAILED, or under dual control TAMPERED, and the file is named', async () => {
    for (const [mode, state] of [
      ['live', 'FAILED'],
      ['dualControl', 'TAMPERED'],
    ] as const) {
      const home = newHome();
      const hsm = new SoftHsmProcess([...home[mode], ...(await manifestOf(home, otherFile))]);
      expect(await hsm.ready()).toMatchObject({ state });
      await hsm.says(/files of the program were changed: @openkdh\/soft-hsm\/dist\/hsm\.js/);
      await hsm.stop();
    }
  });

  test('of somebody else: no start, and nothing is erased', async () => {
    const home = newHome();
    const manifest = await manifestOf(home);
    const others = generateKeyPairSync('ed25519').publicKey;
    writeFileSync(manifest[3], others.export({ format: 'pem', type: 'spki' }));
    const { code, output } = await outcome([...home.dualControl, ...manifest]);
    expect(code).toBe(1);
    expect(output).toContain('is not signed with the key of this installation');
    expect(existsSync(join(home.state, 'tampering.json'))).toBe(false);
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

describe('a list of hosts', () => {
  test('a host that is not in it is cut off; one that is may do what it says', async () => {
    const home = newHome();
    const list = join(home.folder, 'hosts.json');
    const entry = { name: 'monitor', id: 'local', commands: ['NC'], usages: [], lmkIds: ['01'] };
    writeFileSync(list, JSON.stringify({ hosts: [entry] }));
    const hsm = new SoftHsmProcess([...home.testLmk, '--hosts', list]);
    await hsm.ready();
    const client = await WireClient.unix(home.socket);
    expect((await client.call('HEADNC')).toString('latin1', 4, 8)).toBe('ND00');
    expect((await client.call(generateKey)).toString('latin1', 4, 8)).toBe('A168');
    await hsm.stop();

    writeFileSync(list, JSON.stringify({ hosts: [{ ...entry, id: 'AB'.repeat(32) }] }));
    const other = new SoftHsmProcess([...home.testLmk, '--hosts', list]);
    await other.ready();
    const stranger = await WireClient.unix(home.socket);
    await expect(stranger.call('HEADNC')).rejects.toThrow('closed the connection');
    await other.says(/unknown-host/);
    await other.stop();

    writeFileSync(list, '{}');
    expect(await outcome([...home.testLmk, '--hosts', list])).toMatchObject({ code: 1 });
  });
});

describe('TLS', () => {
  let hsm: RunningSoftHsm;
  beforeAll(async () => {
    hsm = await startSoftHsm(['--test-lmk']);
  });
  afterAll(() => hsm.stop());

  /** What a host gets that connects with these options and asks NC. */
  function answerTo(options: ConnectionOptions): Promise<string> {
    return new Promise((resolve) => {
      const socket = connectTls({
        host: '127.0.0.1',
        port: hsm.tlsPort,
        ca: hsm.tls.ca,
        checkServerIdentity: () => undefined,
        ...options,
      });
      socket.on('secureConnect', () => socket.write(frame([Buffer.from('HEADNC')])));
      socket.on('data', (chunk) => {
        resolve(chunk.toString('latin1', 2));
        socket.destroy();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('close', () => resolve('closed'));
    });
  }

  /** An alert, or what is left of the connection when it comes after the request was written. */
  const notAnswered = /ALERT|closed|ECONNRESET|EPIPE/;

  test('a host with a certificate of the CA is answered', async () => {
    expect(await answerTo(hsm.tls)).toBe('HEADND009D04A000000000000000-0001');
  });

  test('a host without a certificate, or with one of another CA, is not', async () => {
    expect(await answerTo({})).toMatch(notAnswered);
    const otherCa = await createLocalCa({ commonName: 'other CA', notBefore: new Date() });
    const { certificate: cert, privateKey: key } = await otherCa.issueClient({ commonName: 'kdh' });
    expect(await answerTo({ cert, key })).toMatch(notAnswered);
  });

  test('TLS 1.2 is not spoken', async () => {
    expect(await answerTo({ ...hsm.tls, maxVersion: 'TLSv1.2' })).toMatch(/PROTOCOL_VERSION/);
  });

  test('plain TCP is not spoken', async () => {
    const outcome = await new Promise((resolve) => {
      const socket = connect(hsm.tlsPort, '127.0.0.1', () => socket.write(frame([Buffer.from('HEADNC')])));
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(received));
    });
    expect(outcome).not.toContain('HEADND');
  });
});
