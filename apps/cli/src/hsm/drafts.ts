/** What officers can order, each as a command that writes the order for them to sign. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { longestOrderMs, type Order } from '@openkdh/hsm-management';
import { type Command, defineCommand } from '../command.ts';
import { CliError, HsmRefusal } from '../errors.ts';
import { onFile } from '../files.ts';
import { upperHex } from '../hex.ts';
import { count, flag, type Members, optional, text, type ValuesOf } from '../members.ts';
import { custodians, threshold } from './custody.ts';
import { statusOf } from './management.ts';
import { officers, socket } from './members.ts';
import { readJsonFile, writeOrderFile } from './order-file.ts';

/** Every order has them. */
const common = {
  out: text('file to write the order to, for two officers to sign'),
  purpose: text('why, for the log of the HSM'),
  ticket: text('number of the request, for the log of the HSM'),
  hours: optional(count('how long it can be carried out (1)', longestOrderMs / 3_600_000)),
};
const mostCount = 1_000_000;

/** What the order is, and the HSM that it is for. */
interface Draft {
  hsm: string;
  act: string;
  details: Record<string, unknown>;
}

function defineDraft<Own extends Members>(
  name: string,
  summary: string,
  own: Own,
  draft: (values: ValuesOf<Own>) => Promise<Draft>,
): Command {
  return defineCommand({
    name,
    summary: `Writes an order: ${summary}`,
    members: { ...own, ...common },
    async run(values) {
      const { out, purpose, ticket, hours = 1, ...ofTheAct } = values as ValuesOf<typeof common>;
      const { hsm, act, details } = await draft(ofTheAct as ValuesOf<Own>); // what is signed says no more
      const now = Date.now();
      const order: Order = {
        v: 1,
        hsm,
        act,
        notBefore: new Date(now).toISOString(),
        expiry: new Date(now + hours * 3_600_000).toISOString(),
        nonce: upperHex(randomBytes(16)),
        purpose,
        ticket,
        ...details,
      };
      await writeOrderFile(out, { order, signatures: [] }, 'out', 'wx');
      return { order: out, act, hsm, expiry: order.expiry };
    },
  });
}

/** An order for the HSM at a socket, whose id the HSM says. */
async function forHsmAt(socketPath: string, act: string, details: Record<string, unknown>): Promise<Draft> {
  const { hsmId, state } = await statusOf(socketPath);
  if (hsmId === undefined)
    throw new HsmRefusal('SOFT_HSM_STATE', `an HSM that is ${state} and without officers takes no orders`);
  return { hsm: hsmId, act, details };
}

const grant = defineDraft(
  'hsm grant',
  'a host may do something that needs a grant, for some time and a number of times.',
  {
    socket,
    activity: text('what is granted, for example export.K1.host'),
    client: text('id of the host: local, or the SHA-256 fingerprint of its certificate'),
    lmkId: text('LMK that it is granted for, for example 00'),
    count: count('how often', mostCount),
  },
  ({ socket, ...details }) => forHsmAt(socket, 'grant', details),
);

const hosts = defineDraft(
  'hsm hosts',
  'who may use the HSM and for what, in place of all before.',
  { socket, hosts: text('file with the list of hosts, JSON') },
  async ({ socket, hosts }) =>
    forHsmAt(socket, 'set-hosts', { hosts: (await readJsonFile('hosts', hosts))['hosts'] }),
);

const authorities = defineDraft(
  'hsm authorities',
  'whose certificates of TR-34 the HSM believes, in place of all before.',
  {
    socket,
    authorities: text('file with the certificates in PEM by role, JSON: {"kdh": [], "krd": []}'),
  },
  async ({ socket, authorities }) =>
    forHsmAt(socket, 'set-authorities', { authorities: await readJsonFile('authorities', authorities) }),
);

const newOfficers = defineDraft(
  'hsm officers',
  'officers, in place of all before.',
  { socket, officers },
  ({ socket, officers }) => forHsmAt(socket, 'set-officers', { officers }),
);

const newCustodians = defineDraft(
  'hsm custodians',
  'new shares for these custodians, once a quorum has given the old ones.',
  { socket, custodians, threshold },
  ({ socket, ...details }) => forHsmAt(socket, 'reshare', details),
);

const reassignShare = defineDraft(
  'hsm reassign-share',
  'one share goes to another custodian, once the one who has it has given it.',
  { socket, x: count('number of the share, as the status says it', 255), custodian: text('who gets it') },
  ({ socket, ...details }) => forHsmAt(socket, 'reassign-share', details),
);

const changeLmk = defineDraft(
  'hsm change-lmk',
  'a new LMK, once a quorum has given its shares; hosts then translate their keys (BW, BS).',
  { socket },
  ({ socket }) => forHsmAt(socket, 'change-lmk', {}),
);

const restore = defineDraft(
  'hsm restore',
  'a backup goes into an HSM without an LMK, once a quorum has given its shares; or is only tried out.',
  {
    backup: text('file with the backup'),
    drill: optional(flag('do everything but bring it into use')),
  },
  async ({ backup, drill }) => {
    const { configuration } = await readJsonFile('backup', backup);
    const hsm = (configuration as { configuration?: { hsmId?: unknown } } | undefined)?.configuration?.hsmId;
    if (typeof hsm !== 'string')
      throw new CliError('CLI_MEMBER_INVALID', 'backup: expected a backup of an HSM');
    const digest = createHash('sha256').update(await onFile('backup', readFile(backup)));
    const details = { backup: digest.digest('hex').toUpperCase() };
    return { hsm, act: drill ? 'drill' : 'restore', details };
  },
);

/** In the order of the usage text. */
export const drafts: readonly Command[] = [
  grant,
  hosts,
  authorities,
  newOfficers,
  newCustodians,
  reassignShare,
  changeLmk,
  restore,
];
