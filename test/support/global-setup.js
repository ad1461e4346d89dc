import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Before the first test of a run: a folder for what its files share and for all that they put into the system's folder for
 * temporary files, which goes when the run ends; and a watcher that ends the PostgreSQL in it when this process dies. The
 * PostgreSQL itself is started by the first file that asks for a database (postgres.ts), so that a run without databases
 * does not wait for one.
 */
export default function globalSetup() {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-test-'));
  chmodSync(folder, 0o711); // programs that a test starts as another user pass through it
  process.env.OPENKDH_TEST_FOLDER = folder; // inherited by the workers, as is the next
  process.env.TMPDIR = join(folder, 'tmp');
  mkdirSync(process.env.TMPDIR, { mode: 0o711 });
  const script = fileURLToPath(new URL('../../apps/launcher/postgres-guard.sh', import.meta.url));
  const guard = spawn('/bin/sh', [script, join(folder, 'postgres', 'data')], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  globalThis.openkdhTestGuard = guard; // globalTeardown runs in this process too
}
