import type { ManagementMessage } from '@openkdh/hsm-management';
import { LogReader } from '../audit/read.ts';
import { formatBackup } from '../ceremony/backup.ts';
import type { Ceremonies } from '../ceremony/ceremonies.ts';
import { beginRestore, carryOut } from '../ceremony/order-acts.ts';
import { readOfficers } from '../ceremony/orders.ts';
import { record } from '../ceremony/sealing-key.ts';
import { SoftHsmError } from '../errors.ts';
import { firmware, whatThisIs } from '../firmware.ts';
import { checkValueHex, keyAlgorithms } from '../keys/algorithms.ts';
import { generateKey } from '../keys/key-material.ts';
import { makeKeyBlock } from '../lmk/key-block.ts';
import { tamperCauses } from '../machine.ts';
import { failedSelfTests } from '../self-test/self-tests.ts';
import type { Vault } from '../vault.ts';
import { enterComponent } from './component.ts';
import { numberOf, textOf, textsOf } from './parameters.ts';
import type { ManagementAnswer } from './server.ts';

/** What the management commands work on. */
export interface Management {
  vault: Vault;
  ceremonies: Ceremonies;
}

type ManagementCommand = (
  management: Management,
  message: ManagementMessage,
) => ManagementAnswer | Promise<ManagementAnswer>;

/** Carries out a command of the management socket. Throws SOFT_HSM_USAGE for one that it has not. */
export function manage(
  management: Management,
  message: ManagementMessage,
): ManagementAnswer | Promise<ManagementAnswer> {
  const { command } = message.line;
  if (typeof command !== 'string' || !Object.hasOwn(managementCommands, command)) {
    const known = Object.keys(managementCommands).join(', ');
    throw new SoftHsmError('SOFT_HSM_USAGE', `command: one of ${known} expected`);
  }
  return managementCommands[command]!(management, message);
}

const sentinelHeader = {
  ...{ keyUsage: 'K0', algorithm: 'A', modeOfUse: 'N', keyVersion: '00', exportability: 'N' },
  optionalBlocks: [],
};

/** The longest part of the audit log in one answer. */
const mostLogBytes = 60_000;

/** By name; what each needs is said beside it. */
export const managementCommands: Readonly<Record<string, ManagementCommand>> = {
  /** What this HSM is and how it is. */
  status({ vault: { machine, checkpointKey, configurationFile }, ceremonies }) {
    const { state, lmks, auditTrail, dualControl, tampering } = machine;
    const configuration = configurationFile?.configuration;
    return {
      line: {
        what: whatThisIs,
        state,
        tampering,
        firmware,
        lmks: lmks.all.map(({ id, status, algorithm, checkValue }) => ({
          id,
          status,
          algorithm,
          checkValue,
        })),
        auditLog: auditTrail && { ...auditTrail.head, checkpointKey },
        hsmId: configuration?.hsmId,
        officers: configuration?.officers,
        shares: configuration?.shares.map(({ custodian, setId, x, threshold }) => ({
          custodian,
          setId,
          x,
          threshold,
        })),
        grants: dualControl?.grants.active.map(({ notBefore, expiry, ...grant }) => ({
          ...grant,
          notBefore: new Date(notBefore).toISOString(),
          expiry: new Date(expiry).toISOString(),
        })),
        ceremony: ceremonies.progress,
      },
    };
  },

  /** Known-answer tests; a failure puts the HSM out of service. */
  'self-test'({ vault: { machine } }) {
    const failed = failedSelfTests();
    if (failed.length > 0) machine.fail(`self-tests have failed: ${failed.join(', ')}`);
    return { line: { failed } };
  },

  /** `officers` (name, publicKey), `custodians` (one name for each share), `threshold`: begins an HSM under dual control. */
  initialise({ ceremonies }, { line }) {
    const officers = readOfficers(line['officers']);
    return {
      line: { ...ceremonies.initialise(officers, textsOf(line, 'custodians'), numberOf(line, 'threshold')) },
    };
  },

  /** `custodian`; payload: a passphrase. Takes the next share of this custodian. */
  async 'take-share'({ ceremonies }, { line, payload }) {
    return { line: { ...(await ceremonies.takeShare(textOf(line, 'custodian'), payload)) } };
  },

  /** `custodian`; payload: a passphrase. Gives a share: to unlock, or for what was ordered. */
  async 'give-share'({ ceremonies }, { line, payload }) {
    return { line: { ...(await ceremonies.giveShare(textOf(line, 'custodian'), payload)) } };
  },

  /** `signed`: an order and the signatures of two officers. */
  async order({ vault, ceremonies }, { line }) {
    return { line: { ...(await carryOut(line['signed'], vault, ceremonies)) } };
  },

  /** Wipes the keys; a quorum of custodians unlocks the HSM again. */
  async lock({ vault, ceremonies }) {
    if (vault.machine.dualControl === undefined) {
      throw new SoftHsmError('SOFT_HSM_STATE', 'only an HSM under dual control, and open, is locked');
    }
    ceremonies.abandon();
    await record(vault, 'lock', [], '');
    await vault.close();
    return { line: { state: vault.machine.state } };
  },

  /** `confirm`: `erase`. Erases the LMK for good. */
  async zeroise({ vault, ceremonies }, { line }) {
    if (line['confirm'] !== 'erase') throw new SoftHsmError('SOFT_HSM_USAGE', 'confirm: erase expected');
    if (vault.machine.state !== 'OPERATIONAL' && vault.machine.state !== 'LOCKED') {
      throw new SoftHsmError(
        'SOFT_HSM_STATE',
        `there is nothing to erase: the HSM is ${vault.machine.state}`,
      );
    }
    ceremonies.abandon();
    await vault.tamper(tamperCauses.erase, 'the erase command was given');
    return { line: { state: vault.machine.state } };
  },

  /** Answer: a backup as payload. Whoever takes it cannot read it. */
  async backup({ vault }) {
    const { machine, sealedLmk } = vault;
    const { dualControl, auditTrail, random, lmks } = machine;
    if (dualControl === undefined || auditTrail === undefined || sealedLmk === undefined) {
      throw new SoftHsmError('SOFT_HSM_STATE', 'only an HSM under dual control, and open, is backed up');
    }
    await record(vault, 'backup', [], '');
    const key = generateKey(keyAlgorithms.A1, random);
    const body = {
      head: auditTrail.head,
      sentinel: makeKeyBlock(lmks.get(undefined), sentinelHeader, key, random),
      sentinelCheckValue: checkValueHex(keyAlgorithms.A1, key),
    };
    key.fill(0);
    return {
      line: {},
      payload: formatBackup(sealedLmk, dualControl.file, body, dualControl.backupKey, random),
    };
  },

  /** `signed`: an order of the officers in the backup, with act `restore` or `drill`; payload: the backup. */
  restore({ vault, ceremonies }, { line, payload }) {
    return { line: { ...beginRestore(line['signed'], payload, vault, ceremonies) } };
  },

  /** `from`: a sequence number. Answer: records of the audit log as payload. */
  async log({ vault }, { line }) {
    const lines = await new LogReader(vault.folder.auditLog).read(numberOf(line, 'from'), mostLogBytes);
    return {
      line: { count: lines.length },
      payload: Buffer.from(lines.map((one) => `${one}\n`).join(''), 'latin1'),
    };
  },

  /** `upTo`: a sequence number. The records up to it are kept elsewhere. */
  async 'acknowledge-log'({ vault: { machine } }, { line }) {
    const upTo = numberOf(line, 'upTo');
    if (machine.auditTrail === undefined || upTo > machine.auditTrail.head.seq) {
      throw new SoftHsmError('SOFT_HSM_STATE', `record ${upTo} is not in the log`);
    }
    await machine.auditTrail.append({ event: 'acknowledged', upTo });
    return { line: {} };
  },

  'enter-component': enterComponent,
};
