import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../apps/launcher/src/ports.ts';

/**
 * A free port that no other test of this run gets, in whatever process: two that start at once may both find it free, and
 * both choose it.
 */
export async function ownPort(): Promise<number> {
  const folder = process.env['OPENKDH_TEST_FOLDER'];
  if (!folder) return freePort(0); // not a run of jest: the soak test is alone
  const claims = join(folder, 'ports');
  mkdirSync(claims, { recursive: true });
  for (;;) {
    const port = await freePort(0);
    try {
      writeFileSync(join(claims, String(port)), '', { flag: 'wx' });
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
