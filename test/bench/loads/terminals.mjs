import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changed } from '../../../apps/terminal-sim/dist/record.js';
import { Store } from '../../../apps/terminal-sim/dist/store.js';

/** As terminal-sim names the terminals of a fleet. */
export function serialsOf(terminals) {
  return Array.from({ length: terminals }, (_, n) => `SIM-${String(n + 1).padStart(6, '0')}`);
}

/** What the terminals of terminal-sim in `folder` keep, read from a copy of their journal while they run. */
export async function terminalRecords(folder) {
  const copy = mkdtempSync(join(tmpdir(), 'openkdh-bench-copy-'));
  try {
    cpSync(join(folder, 'journal'), join(copy, 'journal'));
    const store = await Store.open(copy, changed);
    await store.close();
    return store.records;
  } finally {
    rmSync(copy, { recursive: true });
  }
}
