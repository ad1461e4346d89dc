/** What custodians do: they take the shares that open the HSM, and give them when it needs them. */
import type { Progress } from '@openkdh/hsm-management';
import { defineCommand } from '../command.ts';
import { HsmRefusal } from '../errors.ts';
import { choice, count } from '../members.ts';
import { leadCeremony } from './ceremony.ts';
import { withDialogue } from './dialogue.ts';
import { callHsm, statusOf } from './management.ts';
import { names, officers, socket } from './members.ts';

const mostShares = 255;

export const custodians = names('custodian, named once for each share of theirs');
export const threshold = count('how many shares open the HSM', mostShares);

export const init = defineCommand({
  name: 'hsm init',
  summary:
    'Begins an HSM under dual control: makes its LMK and lets the custodians take their shares, in turn.',
  members: { socket, officers, custodians, threshold },
  interactive: true,
  async run({ socket, ...parameters }) {
    const { line } = await callHsm(socket, 'initialise', parameters);
    const { state } = await lead(socket, line as unknown as Progress);
    const { hsmId, auditLog } = await statusOf(socket);
    return { state, hsmId, checkpointKey: auditLog?.checkpointKey };
  },
});

export const unlock = defineCommand({
  name: 'hsm unlock',
  summary: 'Lets custodians give their shares, in turn, until the HSM is open.',
  members: { socket },
  interactive: true,
  async run({ socket }) {
    const { ceremony } = await statusOf(socket);
    if (ceremony.asked !== 'unlock')
      throw new HsmRefusal('SOFT_HSM_STATE', `an HSM that is ${ceremony.state} is not unlocked`);
    return lead(socket, ceremony);
  },
});

export const shares = defineCommand({
  name: 'hsm shares',
  summary:
    'Goes on where custodians have broken off: lets them give and take the shares that the HSM waits for.',
  members: { socket },
  interactive: true,
  run: async ({ socket }) => lead(socket, (await statusOf(socket)).ceremony),
});

export const lock = defineCommand({
  name: 'hsm lock',
  summary: 'Wipes the keys of the HSM from memory; a quorum of custodians opens it again.',
  members: { socket },
  run: async ({ socket }) => (await callHsm(socket, 'lock')).line,
});

export const zeroise = defineCommand({
  name: 'hsm zeroise',
  summary: 'Erases the LMK for good, in memory and on disk. Only a restore brings it back.',
  members: { socket, confirm: choice('says that this is meant', ['erase']) },
  run: async ({ socket, confirm }) => (await callHsm(socket, 'zeroise', { confirm })).line,
});

const lead = (socket: string, begun: Progress) =>
  withDialogue((dialogue) => leadCeremony(socket, dialogue, begun));
