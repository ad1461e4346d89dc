import { createHash } from 'node:crypto';
import type { Order, Progress } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import { parseHostList } from '../hosts/host-list.ts';
import { parseAuthorities } from '../tr34/authorities.ts';
import type { Vault } from '../vault.ts';
import { parseBackup } from './backup.ts';
import type { Ceremonies } from './ceremonies.ts';
import { requireSeparateRoles } from './dual-control.ts';
import { readOfficers, verifyOrder } from './orders.ts';
import { record } from './sealing-key.ts';
import { requireAssignable } from './shares.ts';

/** What officers can order, by `act`, with the details of the order that each needs. */
const acts: Readonly<
  Record<string, (order: Order, vault: Vault, ceremonies: Ceremonies) => Progress | undefined>
> = {
  /** `activity`, `client`, `lmkId`, `count`: a host may do something, for some time and a number of times. */
  grant(order, { machine }) {
    machine.dualControl!.grants.add(order);
    return undefined;
  },
  /** `hosts`: who may use the HSM and for what, in place of all before. */
  'set-hosts'(order, { machine }) {
    const hosts = parseHostList(JSON.stringify({ hosts: order['hosts'] }));
    machine.dualControl!.update({ hosts: [...hosts.values()] });
    return undefined;
  },
  /** `authorities`: certificates in PEM by role, `kdh` and `krd`, in place of all before. */
  'set-authorities'(order, { machine }) {
    machine.dualControl!.update({ authorities: parseAuthorities(order['authorities']) });
    return undefined;
  },
  /** `officers`: names and public keys, in place of all before. */
  'set-officers'(order, { machine }) {
    const officers = readOfficers(order['officers']);
    const { shares } = machine.dualControl!.configuration;
    requireSeparateRoles(
      officers,
      shares.map(({ custodian }) => custodian),
    );
    machine.dualControl!.update({ officers });
    return undefined;
  },
  /** A new LMK, when a quorum of custodians has given its shares. */
  'change-lmk'(_, vault, ceremonies) {
    requireNoOldLmk(vault);
    return ceremonies.ask({ act: 'change-lmk' });
  },
  /** `custodians`, one name for each share, `threshold`: new shares, when a quorum has given the old ones. */
  reshare(order, vault, ceremonies) {
    requireNoOldLmk(vault);
    const { officers } = vault.machine.dualControl!.configuration;
    const custodians = readNames(order['custodians']);
    requireSeparateRoles(officers, custodians);
    return ceremonies.ask({ act: 'reshare', custodians, threshold: Number(order['threshold']) });
  },
  /** `x`, `custodian`: the share goes to another custodian, when the one who has it gives it. */
  'reassign-share'(order, { machine }, ceremonies) {
    const { officers, shares, shareHistory } = machine.dualControl!.configuration;
    const { x, custodian } = order;
    const share = shares.find((one) => one.x === x);
    if (share === undefined || typeof custodian !== 'string') {
      throw new SoftHsmError('SOFT_HSM_ORDER', 'reassign-share: x of a share and a custodian expected');
    }
    requireSeparateRoles(officers, [custodian]);
    requireAssignable(shareHistory, share, custodian);
    return ceremonies.ask({ act: 'reassign-share', x: share.x, custodian });
  },
};

/** What can be ordered. */
export const orderActs: readonly string[] = [...Object.keys(acts), 'restore', 'drill'];

/** Carries out an order of the officers of this HSM. Throws SOFT_HSM_ORDER for one that is not to be carried out. */
export async function carryOut(
  signed: unknown,
  vault: Vault,
  ceremonies: Ceremonies,
): Promise<Progress | undefined> {
  const { dualControl } = vault.machine;
  if (dualControl === undefined)
    throw new SoftHsmError('SOFT_HSM_STATE', 'there are no officers, or it is locked');
  const { order, signers } = dualControl.accept(signed);
  const act = Object.hasOwn(acts, order.act) ? acts[order.act] : undefined;
  if (act === undefined)
    throw new SoftHsmError('SOFT_HSM_ORDER', `act: one of ${Object.keys(acts).join(', ')} expected`);
  const progress = act(order, vault, ceremonies);
  const detail = `nonce ${order.nonce}, purpose ${order.purpose}, ticket ${order.ticket}`;
  await record(vault, order.act, signers, detail);
  return progress;
}

/**
 * Begins a restore or a drill: an order with act `restore` or `drill` and `backup`, the SHA-256 of the backup file in hex,
 * by the officers in the backup. Custodians give their shares next. A restore needs an HSM without an LMK.
 */
export function beginRestore(
  signed: unknown,
  file: Uint8Array,
  vault: Vault,
  ceremonies: Ceremonies,
): Progress {
  const backup = parseBackup(file);
  const { hsmId, officers, usedNonces } = backup.configuration.configuration;
  const { order } = verifyOrder(signed, {
    hsm: hsmId,
    officers,
    usedNonces: new Set(usedNonces.map(({ nonce }) => nonce)),
    now: vault.machine.now(),
  });
  if (order.act !== 'restore' && order.act !== 'drill') {
    throw new SoftHsmError('SOFT_HSM_ORDER', 'act: restore or drill expected');
  }
  if (order['backup'] !== createHash('sha256').update(file).digest('hex').toUpperCase()) {
    throw new SoftHsmError('SOFT_HSM_ORDER', 'the order is for another backup');
  }
  if (order.act === 'restore' && vault.machine.state !== 'UNINITIALISED') {
    throw new SoftHsmError(
      'SOFT_HSM_STATE',
      `nothing is restored into an HSM that is ${vault.machine.state}`,
    );
  }
  return ceremonies.ask({ act: order.act, backup });
}

function requireNoOldLmk({ machine }: Vault): void {
  if (machine.lmks.hasOld)
    throw new SoftHsmError('SOFT_HSM_STATE', 'keys are still translated from an old LMK: end that with BS');
}

function readNames(value: unknown): string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw new SoftHsmError('SOFT_HSM_ORDER', 'custodians: an array of names expected');
}
