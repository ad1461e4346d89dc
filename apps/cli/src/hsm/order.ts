import { createPrivateKey, type KeyObject, sign as signBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { orderBytes, type Progress } from '@openkdh/hsm-management';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { onFile } from '../files.ts';
import { upperHex } from '../hex.ts';
import { optional, text } from '../members.ts';
import { leadCeremony } from './ceremony.ts';
import { type Dialogue, withDialogue } from './dialogue.ts';
import { callHsm } from './management.ts';
import { socket } from './members.ts';
import { readOrderFile, writeOrderFile } from './order-file.ts';

export const sign = defineCommand({
  name: 'hsm sign',
  summary:
    'An officer reads an order and signs it, on a machine of their own: the signature goes into the file.',
  members: {
    order: text('file with the order'),
    officer: text('name of the officer'),
    key: text('file with the Ed25519 private key of the officer, PEM, readable by nobody else'),
  },
  positional: 'order',
  interactive: true,
  async run({ order: path, officer, key: keyFile }) {
    const { order, signatures } = await readOrderFile(path);
    const bytes = bytesOf(order);
    return withDialogue(async (dialogue) => {
      dialogue.tell(JSON.stringify(order, undefined, 2)); // as JSON: no value can pass for another member
      if ((await dialogue.ask(`${officer}: type yes to sign it`)) !== 'yes')
        throw new CliError('CLI_INTERRUPTED', 'the order was not signed');
      const key = await readOfficerKey(keyFile, officer, dialogue);
      const signature = upperHex(signBytes(null, bytes, key));
      const others = signatures.filter((one) => one.officer !== officer);
      const signed = { order, signatures: [...others, { officer, signature }] };
      await writeOrderFile(path, signed, 'order', 'w');
      return { order: path, act: order.act, signedBy: signed.signatures.map((one) => one.officer) };
    });
  },
});

export const order = defineCommand({
  name: 'hsm order',
  summary:
    'Has the HSM carry out an order that two officers have signed; custodians give and take shares where it needs them.',
  members: {
    socket,
    order: text('file with the order and its signatures'),
    backup: optional(text('file with the backup, for an order to restore one or to try one out')),
  },
  positional: 'order',
  interactive: true,
  async run({ socket, order: path, backup }) {
    const signed = await readOrderFile(path);
    const { act } = signed.order;
    const isRestore = act === 'restore' || act === 'drill';
    if (isRestore !== (backup !== undefined)) {
      const wanted = isRestore ? 'the file of the backup' : 'nothing';
      throw new CliError('CLI_MEMBER_INVALID', `backup: expected ${wanted} for an order with the act ${act}`);
    }
    const { line } = isRestore
      ? await callHsm(socket, 'restore', { signed }, await onFile('backup', readFile(backup!)))
      : await callHsm(socket, 'order', { signed });
    if (!('waitingFor' in line)) return { act, ...line };
    const begun = line as unknown as Progress;
    return withDialogue(async (dialogue) => ({ act, ...(await leadCeremony(socket, dialogue, begun)) }));
  },
});

function bytesOf(order: Parameters<typeof orderBytes>[0]): Uint8Array {
  try {
    return orderBytes(order);
  } catch {
    throw new CliError('CLI_MEMBER_INVALID', 'order: expected text, whole numbers, lists and objects only');
  }
}

/** One that is under a passphrase is opened with it. Throws CLI_FILE, CLI_MEMBER_INVALID; the reason is not passed on. */
async function readOfficerKey(path: string, officer: string, { askSecret }: Dialogue): Promise<KeyObject> {
  const { mode } = await onFile('key', stat(path));
  if ((mode & 0o077) !== 0)
    throw new CliError('CLI_FILE', 'key: expected a file that nobody else can read, of mode 0600');
  const pem = await onFile('key', readFile(path));
  let passphrase: Uint8Array | undefined;
  try {
    if (pem.includes('ENCRYPTED')) passphrase = await askSecret(`${officer}: passphrase of the key (hidden)`);
    const key = createPrivateKey({ key: pem, ...(passphrase && { passphrase: Buffer.from(passphrase) }) });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    if (error instanceof CliError) throw error;
  } finally {
    pem.fill(0);
    passphrase?.fill(0);
  }
  throw new CliError('CLI_MEMBER_INVALID', 'key: expected an Ed25519 private key in PEM, and its passphrase');
}
