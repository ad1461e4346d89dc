import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { canonicalJson } from '@openkdh/hsm-management';
import type { SignedManifest } from '../../apps/soft-hsm/src/manifest/manifest.ts';
import { killAll, newHome, outcome, SoftHsmProcess } from '../support/soft-hsm-process.ts';

/** The soft HSM as a process, with a list of its own files that somebody has signed. */

afterEach(() => killAll());

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
