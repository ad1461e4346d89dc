import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalCa } from '@openkdh/pki';
import { frame } from '../../apps/soft-hsm/src/wire/frames.ts';
import { type RunningSoftHsm, startSoftHsm } from '../support/soft-hsm.ts';
import { killAll, newHome, outcome, SoftHsmProcess } from '../support/soft-hsm-process.ts';
import { WireClient } from '../support/wire-client.ts';

/** Who gets through to the soft HSM as a process: its list of hosts, and TLS. */

const generateKey = 'HEADA00FFFS#K0A1N00E00';

afterEach(() => killAll());

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
