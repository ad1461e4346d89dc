import { rename, writeFile } from 'node:fs/promises';
import type { TerminalRecord } from './record.ts';

/**
 * Writes, only for tests, what lets them say that no two terminals hold one key and that a terminal holds the key it
 * should, without ever seeing a key: one JSON line for each initial key, `{serial, slot, algorithm, ksn, kcv, sha256}`.
 */
export async function writeOracle(file: string, records: ReadonlyMap<string, TerminalRecord>): Promise<void> {
  const lines: string[] = [];
  for (const [serial, { slots }] of records) {
    for (const [slot, key] of Object.entries(slots)) {
      if (key.usage !== 'B1') continue;
      const { algorithm, ksn, kcv, keyDigest } = key;
      const sha256 = Buffer.from(keyDigest).toString('hex').toUpperCase();
      lines.push(`${JSON.stringify({ serial, slot, algorithm, ksn, kcv, sha256 })}\n`);
    }
  }
  await writeFile(`${file}.new`, lines.join(''), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
