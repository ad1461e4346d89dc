import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import koffi from 'koffi';

/** The PKCS#11 module of SoftHSM2, where a package may have put it. */
const modulePath = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
].find((path) => existsSync(path));

/** `describe` where there is SoftHSM2 or, in CI, must be; elsewhere its tests are skipped and say how to get it. */
export const describeWithSoftHsm2: (name: string, tests: () => void) => void =
  modulePath || process.env['CI'] === 'true'
    ? describe
    : (name, tests) => describe.skip(`${name} (no SoftHSM2: apt-get install softhsm2)`, tests);

/** Debian's SoftHSM2 with one token of its own. */
export interface SoftHsm2 {
  modulePath: string;
  /** Label of the token. */
  token: string;
  pin: string;
  pinFile: string;
  /** What a process that loads the module needs. */
  env: { SOFTHSM2_CONF: string };
  uri: string;
  /** For this process: jest gives tests a copy of the environment, which C does not see. */
  useHere(): void;
  remove(): Promise<void>;
}

export async function createSoftHsm2(): Promise<SoftHsm2> {
  if (!modulePath) throw new Error('there is no SoftHSM2: apt-get install softhsm2');
  const folder = await mkdtemp(join(tmpdir(), 'softhsm2-'));
  const inFolder = (name: string): string => join(folder, name);
  const [token, pin] = ['openkdh', '87654321'];
  const env = { SOFTHSM2_CONF: inFolder('softhsm2.conf') };
  await mkdir(inFolder('tokens'));
  await writeFile(
    env.SOFTHSM2_CONF,
    `directories.tokendir = ${inFolder('tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  await writeFile(inFolder('pin'), `${pin}\n`, { mode: 0o400 });
  const args = ['--init-token', '--free', '--label', token, '--so-pin', '12345678', '--pin', pin];
  await promisify(execFile)('softhsm2-util', args, { env: { ...process.env, ...env } });
  return {
    modulePath,
    token,
    pin,
    pinFile: inFolder('pin'),
    env,
    uri: `pkcs11:token=${token}?module-path=${modulePath}&pin-source=file:${inFolder('pin')}`,
    useHere() {
      const setenv = koffi.load(null).func('int setenv(const char *name, const char *value, int overwrite)');
      setenv('SOFTHSM2_CONF', env.SOFTHSM2_CONF, 1);
    },
    remove: () => rm(folder, { recursive: true }),
  };
}
