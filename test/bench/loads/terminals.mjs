import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeIdentity } from '../../../apps/terminal-sim/dist/identity.js';
import { Store } from '../../../apps/terminal-sim/dist/store.js';

/** Key pairs of simulated terminals: making RSA keys takes minutes, so they are made once and serve later runs too. */
export const identityFolder = join(tmpdir(), 'openkdh-bench-terminals');

/** As terminal-sim names the terminals of a fleet. */
export function serialsOf(terminals) {
  return Array.from({ length: terminals }, (_, n) => `SIM-${String(n + 1).padStart(6, '0')}`);
}

/** Makes the key pairs that `identityFolder` does not hold yet, as many at a time as there are cores. */
export async function ensureIdentities(serials, cores) {
  const store = await Store.open(identityFolder);
  const missing = serials.filter((serial) => !store.records.has(serial)).values();
  const make = async () => {
    for (const serial of missing) {
      await store.commit(serial, { identity: await makeIdentity(), epoch: 0, slots: {}, results: [] });
    }
  };
  await Promise.all(Array.from({ length: cores }, make));
  await store.close();
}

/** What the terminals of terminal-sim in `folder` keep, read from a copy of their journal while they run. */
export async function terminalRecords(folder) {
  const copy = mkdtempSync(join(tmpdir(), 'openkdh-bench-copy-'));
  try {
    cpSync(join(folder, 'journal'), join(copy, 'journal'));
    const store = await Store.open(copy);
    await store.close();
    return store.records;
  } finally {
    rmSync(copy, { recursive: true });
  }
}
