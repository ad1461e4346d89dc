import { readFileSync, statSync } from 'node:fs';
import { shortestPassphraseBytes } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** The first line of the file as bytes; the caller wipes them. Refuses a file that others can read. */
export function readPassphrase(path: string): Buffer {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new SoftHsmError('SOFT_HSM_FILE', `the passphrase file ${path} does not exist`);
  if ((stat.mode & 0o077) !== 0) {
    throw new SoftHsmError('SOFT_HSM_FILE', `the passphrase file ${path} must have mode 0600`);
  }
  const contents = readFileSync(path);
  let end = contents.indexOf(lineFeed);
  if (end === -1) end = contents.length;
  if (contents[end - 1] === carriageReturn) end -= 1;
  const passphrase = Buffer.from(contents.subarray(0, end));
  contents.fill(0);
  if (passphrase.length < shortestPassphraseBytes) {
    throw new SoftHsmError(
      'SOFT_HSM_FILE',
      `the passphrase in ${path} must have at least ${shortestPassphraseBytes} bytes`,
    );
  }
  return passphrase;
}
