import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Order, orderBytes } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import { callManagement } from './client.ts';
import { askSecret, bytesOfHex } from './prompt.ts';

export const managementUsage = `       soft-hsm manage --state DIR COMMAND [--parameters JSON] [secrets] [--payload FILE] [--save FILE]
       soft-hsm sign-order --officer NAME --key FILE ORDER.json

  --parameters JSON         of the command; @FILE reads them from a file
  --ask-passphrase          ask for a passphrase, which goes with the command as bytes
  --ask-component           ask for a key component in hex, after the passphrase if there is one
  --payload FILE            send a file with the command (restore)
  --save FILE               keep what comes with the answer (backup, log)
  --key FILE                Ed25519 private key of the officer, PEM`;

/** Gives one command at the management socket and prints the answer. The exit code says whether it was carried out. */
export async function runManagement(args: string[]): Promise<void> {
  const { values, positionals } = parse(args, {
    state: { type: 'string' },
    parameters: { type: 'string', default: '{}' },
    'ask-passphrase': { type: 'boolean', default: false },
    'ask-component': { type: 'boolean', default: false },
    payload: { type: 'string' },
    save: { type: 'string' },
  });
  const [command] = positionals;
  if (values.state === undefined || command === undefined || positionals.length > 1) {
    throw new SoftHsmError('SOFT_HSM_USAGE', '--state and one command are needed');
  }
  const passphrase = values['ask-passphrase'] ? await askSecret('passphrase') : Buffer.alloc(0);
  const component = values['ask-component']
    ? bytesOfHex(await askSecret('component, hexadecimal'))
    : Buffer.alloc(0);
  const file = values.payload === undefined ? Buffer.alloc(0) : readFileSync(values.payload);
  const split = values['ask-component'] ? { passphraseBytes: passphrase.length } : {};
  const payload = Buffer.concat([passphrase, component, file]);
  const line = { ...readParameters(values.parameters), ...split, command };
  const answer = await callManagement(join(values.state, 'management.sock'), line, payload);
  for (const secret of [passphrase, component, payload]) secret.fill(0);
  if (values.save !== undefined && answer.payload.length > 0)
    writeFileSync(values.save, answer.payload, { mode: 0o600 });
  console.log(JSON.stringify(answer.line, undefined, 2));
  if (answer.line['ok'] !== true) process.exitCode = 1;
}

/** Prints an officer's signature of an order, for the `signatures` that go with it. */
export function signOrder(args: string[]): void {
  const { values, positionals } = parse(args, { officer: { type: 'string' }, key: { type: 'string' } });
  const [path] = positionals;
  if (values.officer === undefined || values.key === undefined || path === undefined) {
    throw new SoftHsmError('SOFT_HSM_USAGE', '--officer, --key and an order are needed');
  }
  const order = JSON.parse(readFileSync(path, 'utf8')) as Order;
  const signature = sign(null, orderBytes(order), createPrivateKey(readFileSync(values.key)));
  console.log(
    JSON.stringify({ officer: values.officer, signature: signature.toString('hex').toUpperCase() }),
  );
}

function readParameters(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text) as Record<
      string,
      unknown
    >;
  } catch (cause) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `--parameters: ${(cause as Error).message}`, { cause });
  }
}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

function parse<const T extends Options>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true });
  } catch (cause) {
    throw new SoftHsmError('SOFT_HSM_USAGE', (cause as Error).message, { cause });
  }
}
