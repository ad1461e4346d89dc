import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalCa } from '@openkdh/pki';
import { readyLine, startChild } from '../../apps/launcher/src/child.ts';

/** A soft HSM as a process of its own, from dist (`tsc -b` first), with state of its own. */
export interface RunningSoftHsm {
  socketPath: string;
  tlsPort: number;
  /** Of a host that it knows. PEM. */
  tls: { cert: string; key: string; ca: string };
  stop(): Promise<void>;
}

/** Starts it with a live LMK, or with what `lmkArguments` say; listens on a unix socket and on TLS. */
export async function startSoftHsm(lmkArguments?: string[]): Promise<RunningSoftHsm> {
  const folder = await mkdtemp(join(tmpdir(), 'soft-hsm-'));
  const inFolder = (name: string): string => join(folder, name);
  const secret = async (name: string, content: string): Promise<string> => {
    await writeFile(inFolder(name), content, { mode: 0o600 });
    return inFolder(name);
  };
  await chmod(folder, 0o700);
  const ca = await createLocalCa({ commonName: 'HSM link CA', notBefore: new Date() });
  const server = await ca.issueServer({ commonName: 'soft-hsm', hosts: ['127.0.0.1'] });
  const client = await ca.issueClient({ commonName: 'kdh' });
  const socketPath = inFolder('host.sock');
  const lmk = lmkArguments ?? ['--passphrase-file', await secret('passphrase', 'a passphrase of this test')];
  const args = [
    join(import.meta.dirname, '../../apps/soft-hsm/dist/main.js'),
    'serve',
    ...['--state', inFolder('state'), '--socket', socketPath, ...lmk],
    ...['--tls-port', '0', '--tls-cert', await secret('server.pem', server.certificate)],
    ...[
      '--tls-key',
      await secret('server-key.pem', server.privateKey),
      '--tls-ca',
      await secret('ca.pem', ca.certificate),
    ],
  ];
  const child = startChild(
    { file: process.execPath, args, env: { PATH: process.env['PATH'] } },
    inFolder('log'),
  );
  const ready = JSON.parse(await readyLine(child, '"event":"ready"', 60_000)) as { tls: string };
  return {
    socketPath,
    tlsPort: Number(ready.tls.split(':').at(-1)),
    tls: { cert: client.certificate, key: client.privateKey, ca: ca.certificate },
    async stop() {
      child.process.kill('SIGTERM');
      await child.ended;
      await rm(folder, { recursive: true });
    },
  };
}
