import type { DrillResult, Progress } from '@openkdh/hsm-management';
import { HsmRefusal } from '../errors.ts';
import { askNewPassphrase, type Dialogue } from './dialogue.ts';
import { callHsm, statusOf } from './management.ts';

/** What shares are given for, in the words of the prompts. */
const purposes: Readonly<Record<string, string>> = {
  unlock: 'to unlock the HSM',
  restore: 'to restore the backup',
  drill: 'to try the backup out',
  'change-lmk': 'to change the LMK',
  reshare: 'to make new shares of it',
  'reassign-share': 'to hand the share over',
};

/** What has become of a ceremony. */
export interface Outcome {
  state: string;
  drill?: DrillResult;
}

/**
 * Lets custodians give and take shares, one after the other, until the HSM waits for nobody any more. Nobody sees what
 * another types. A custodian who is refused is asked again; whoever breaks off can go on later with `hsm shares`.
 */
export async function leadCeremony(
  socketPath: string,
  dialogue: Dialogue,
  begun: Progress,
): Promise<Outcome> {
  let progress = begun;
  for (;;) {
    if (progress.asked !== undefined) progress = await giveShare(socketPath, dialogue, progress);
    else if (progress.waitingFor.length > 0) progress = await takeShare(socketPath, dialogue, progress);
    else break;
  }
  const { state, drill } = progress;
  return { state, ...(drill && { drill }) };
}

async function giveShare(socketPath: string, dialogue: Dialogue, progress: Progress): Promise<Progress> {
  const { asked, given, needed } = progress;
  const purpose = purposes[asked!] ?? `for ${asked}`;
  const custodian = await dialogue.ask(`Share ${given + 1} of ${needed} ${purpose}. Name of the custodian`);
  const passphrase = await dialogue.askSecret(`${custodian}: passphrase of the share (hidden)`);
  return asCustodian(socketPath, 'give-share', custodian, passphrase, dialogue, progress);
}

async function takeShare(socketPath: string, dialogue: Dialogue, progress: Progress): Promise<Progress> {
  const { taken, waitingFor } = progress;
  const custodian = waitingFor[0]!;
  const count = `Custodian ${taken + 1} of ${taken + waitingFor.length}`;
  const passphrase = await askNewPassphrase(
    `${count}, ${custodian}: a new passphrase for the share`,
    dialogue,
  );
  return asCustodian(socketPath, 'take-share', custodian, passphrase, dialogue, progress);
}

/**
 * Wipes the passphrase. Somebody at a terminal who is refused can answer again, as long as the HSM asks for the same:
 * then `progress` is what it was.
 */
async function asCustodian(
  socketPath: string,
  command: 'give-share' | 'take-share',
  custodian: string,
  passphrase: Uint8Array,
  { tell, canAnswerAgain }: Dialogue,
  progress: Progress,
): Promise<Progress> {
  try {
    return (await callHsm(socketPath, command, { custodian }, passphrase)).line as unknown as Progress;
  } catch (error) {
    if (!(error instanceof HsmRefusal && canAnswerAgain)) throw error;
    const { ceremony } = await statusOf(socketPath);
    const asksForMore =
      ceremony.asked === progress.asked && ceremony.waitingFor.length === progress.waitingFor.length;
    if (!asksForMore) throw error;
    tell(`Refused: ${error.message}.`);
    return ceremony;
  } finally {
    passphrase.fill(0);
  }
}
