import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalCa } from '@openkdh/pki';

/** Whose certificates to make, by the name of their files: a server's, with the hosts it is reached by, or a client's. */
export type TlsSubjects = Record<string, { commonName: string; hosts?: readonly string[] }>;

/**
 * Writes `ca.pem` and, for each subject, `NAME.pem` and `NAME-key.pem` (all 0600) into `folder` (made with 0700). They
 * come from an authority whose key is forgotten with this call; for TLS between parts of ours only.
 */
export async function writeTlsFiles(folder: string, subjects: TlsSubjects): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ca = await createLocalCa({ commonName: 'OpenKDH local CA', notBefore: new Date() });
  const write = (name: string, pem: string) => writeFileSync(join(folder, name), pem, { mode: 0o600 });
  write('ca.pem', ca.certificate);
  for (const [name, { commonName, hosts }] of Object.entries(subjects)) {
    const identity = hosts
      ? await ca.issueServer({ commonName, hosts })
      : await ca.issueClient({ commonName });
    write(`${name}.pem`, identity.certificate);
    write(`${name}-key.pem`, identity.privateKey);
  }
}
