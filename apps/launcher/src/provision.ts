import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Api } from './api.ts';
import { writeTlsFiles } from './tls-files.ts';

/** The passphrase that seals the LMK of the soft HSM at rest: made once, mode 0600. */
export function makePassphrase(state: string): void {
  const file = join(state, 'hsm-passphrase');
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
}

/**
 * TLS certificates for the link to the HSM, in `hsm-link`: `server` is the HSM's, `client` opens it. Made anew at each
 * start, so that they never expire in use.
 */
export async function makeLinkCertificates(state: string): Promise<void> {
  await writeTlsFiles(join(state, 'hsm-link'), {
    server: { commonName: 'soft-hsm', hosts: ['localhost', '127.0.0.1'] },
    client: { commonName: 'kdh-server' },
  });
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
