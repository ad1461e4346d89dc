import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalCa } from '@openkdh/pki';
import type { Api } from './api.ts';

/** The passphrase that seals the LMK of the soft HSM at rest: made once, mode 0600. */
export function makePassphrase(state: string): void {
  const file = join(state, 'hsm-passphrase');
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
}

/**
 * TLS certificates for the link to the HSM, in `hsm-link` (0700): `ca.pem`, and `server` and `client`, each with its
 * key. Made anew at each start, by an authority whose key is then forgotten, so that they never expire in use.
 */
export async function makeLinkCertificates(state: string): Promise<void> {
  const folder = join(state, 'hsm-link');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ca = await createLocalCa({ commonName: 'OpenKDH HSM link', notBefore: new Date() });
  const server = await ca.issueServer({ commonName: 'soft-hsm', hosts: ['localhost', '127.0.0.1'] });
  const client = await ca.issueClient({ commonName: 'kdh-server' });
  const files = {
    'ca.pem': ca.certificate,
    'server.pem': server.certificate,
    'server-key.pem': server.privateKey,
    'client.pem': client.certificate,
    'client-key.pem': client.privateKey,
  };
  for (const [name, pem] of Object.entries(files)) writeFileSync(join(folder, name), pem, { mode: 0o600 });
}

/** Name and id are all that is read here of a BDK or a profile. */
interface Named {
  id: string;
  name: string;
}

/**
 * A BDK for AES DUKPT, one for TDES DUKPT, and the key profile of the simulated terminals: slot PIN (AES-128 initial
 * key in a version D block) and slot DATA (two-key TDES initial key in a version B block). Finds by name what an
 * earlier start made. Returns the id of the profile.
 */
export async function provisionKeys(api: Api): Promise<string> {
  const aes = await ensure(api, '/bdks', { name: 'AES DUKPT', scheme: 'AES', algorithm: 'A128' });
  const tdes = await ensure(api, '/bdks', { name: 'TDES DUKPT', scheme: 'TDES', algorithm: 'T2' });
  return ensure(api, '/profiles', {
    name: 'PIN and data',
    slots: [
      { slot: 'PIN', bdkId: aes, algorithm: 'A128', keyBlockVersion: 'D' },
      { slot: 'DATA', bdkId: tdes, algorithm: 'T2', keyBlockVersion: 'B' },
    ],
  });
}

/** The id of what has the name of `wanted` at `path`; made now unless it is there. */
async function ensure(api: Api, path: string, wanted: Record<string, unknown>): Promise<string> {
  const found = (await api.get<Named[]>(path)).find(({ name }) => name === wanted['name']);
  return (found ?? (await api.post<Named>(path, wanted))).id;
}
