import { wipe } from '@openkdh/block-ciphers';
import type { DrillResult, Officer, Progress } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import { requireNewFolder } from '../lmk/open-lmk.ts';
import { sealingKeyFromPassphrase } from '../lmk/sealed-lmk.ts';
import { tamperCauses } from '../machine.ts';
import type { Vault } from '../vault.ts';
import { Attempts } from './attempts.ts';
import type { Backup } from './backup.ts';
import { requireSeparateRoles } from './dual-control.ts';
import { openShare, type SealedShare, type Stretch } from './sealed-share.ts';
import { beginHsm, changeLmk, reassign, reseal, restoreBackup, unlockHsm } from './sealing-key.ts';
import type { Share } from './shamir.ts';
import { Distribution, Quorum } from './shares.ts';

const sealingKeyBytes = 32;

/** What custodians give their shares of the sealing key for. */
export type Purpose =
  | { act: 'unlock' }
  | { act: 'restore' | 'drill'; backup: Backup }
  | { act: 'change-lmk' }
  | { act: 'reshare'; custodians: string[]; threshold: number }
  /** Of one share only, which its holder gives up for another custodian. */
  | { act: 'reassign-share'; x: number; custodian: string };

/** What custodians do together: take shares of the sealing key, and give them when the HSM needs it. */
export class Ceremonies {
  readonly #vault: Vault;
  readonly #stretch: Stretch;
  readonly #attempts = new Attempts(() => performance.now());
  readonly #quorum = new Quorum();
  #purpose: Purpose | undefined;
  #distribution: { shares: Distribution; complete: (taken: SealedShare[]) => Promise<void> } | undefined;

  constructor(vault: Vault, stretch: Stretch = sealingKeyFromPassphrase) {
    this.#vault = vault;
    this.#stretch = stretch;
  }

  /** Begins an HSM: a new LMK, whose sealing key is shared among `custodians`, one name for each share. */
  initialise(officers: Officer[], custodians: string[], threshold: number): Progress {
    const { machine, folder } = this.#vault;
    if (machine.state !== 'UNINITIALISED' && machine.state !== 'TAMPERED') {
      throw new SoftHsmError('SOFT_HSM_STATE', `an HSM that is ${machine.state} is not initialised`);
    }
    requireSeparateRoles(officers, custodians);
    const distribute = this.#newShares(custodians, threshold);
    if (machine.state === 'TAMPERED') this.#vault.forgetTampering();
    requireNewFolder(folder);
    machine.rest('UNINITIALISED');
    return distribute((taken, sealingKey) => beginHsm(this.#vault, officers, taken, sealingKey));
  }

  /** A custodian takes the next of their shares and seals it with a passphrase. */
  async takeShare(custodian: string, passphrase: Uint8Array): Promise<Progress> {
    const distribution = this.#distribution;
    if (distribution === undefined) throw new SoftHsmError('SOFT_HSM_STATE', 'there are no shares to take');
    await distribution.shares.take(custodian, passphrase, this.#stretch);
    if (distribution.shares.waitingFor.length === 0) {
      this.#distribution = undefined;
      await distribution.complete(distribution.shares.sealed);
    }
    return this.progress;
  }

  /** Asks the custodians for the sealing key. */
  ask(purpose: Purpose): Progress {
    this.#quorum.wipe();
    this.#purpose = purpose;
    return this.progress;
  }

  /** A custodian opens one of their shares. With enough of them, what they are given for is done. */
  async giveShare(custodian: string, passphrase: Uint8Array): Promise<Progress> {
    const purpose = this.#asked;
    if (purpose === undefined) throw new SoftHsmError('SOFT_HSM_STATE', 'no shares are asked for');
    const share = await this.#openShare(custodian, passphrase, sharesFor(purpose, this.#vault));
    if (purpose.act === 'reassign-share') return this.#handOver(share, purpose.custodian);
    const sealingKey = this.#quorum.give(share);
    if (sealingKey === undefined) return this.progress;
    this.#purpose = undefined;
    const drill = await this.#use(sealingKey, purpose);
    return { ...this.progress, ...(drill && { drill }) };
  }

  /** Refuses somebody who does not open a share of their own with SOFT_HSM_SEAL. */
  async authenticate(custodian: string, passphrase: Uint8Array): Promise<void> {
    const share = await this.#openShare(
      custodian,
      passphrase,
      this.#vault.machine.dualControl!.configuration.shares,
    );
    wipe(share.y);
  }

  /** Ends what is under way and wipes what it held. */
  abandon(): void {
    this.#quorum.wipe();
    this.#distribution?.shares.wipe();
    this.#distribution = undefined;
    this.#purpose = undefined;
  }

  /**
   * A share of `shares` that was not given yet and that the custodian's passphrase opens. A wrong passphrase and an
   * unknown custodian look the same; each makes the person wait, and too many are taken as tampering.
   */
  async #openShare(
    custodian: string,
    passphrase: Uint8Array,
    shares: readonly SealedShare[],
  ): Promise<Share> {
    this.#attempts.requireMay(custodian);
    for (const sealed of shares.filter((one) => one.custodian === custodian && !this.#quorum.has(one))) {
      const share = await openShare(sealed, passphrase, this.#stretch).catch(() => undefined);
      if (share === undefined) continue;
      this.#attempts.succeeded(custodian);
      return share;
    }
    if (this.#attempts.failed(custodian)) {
      await this.#vault.tamper(tamperCauses.general, 'too many custodians have failed to authenticate');
    }
    throw new SoftHsmError(
      'SOFT_HSM_SEAL',
      'no share opens: wrong passphrase, or nobody with a share to give',
    );
  }

  /** A new sealing key and its shares; the result sets what to do when all of them are taken. */
  #newShares(custodians: string[], threshold: number) {
    const { random } = this.#vault.machine;
    const sealingKey = random(sealingKeyBytes);
    const shares = Distribution.split(sealingKey, custodians, threshold, random);
    return (complete: (taken: SealedShare[], sealingKey: Buffer) => Promise<void>): Progress => {
      this.#distribution = { shares, complete: (taken) => complete(taken, sealingKey) };
      return this.progress;
    };
  }

  /** The next custodian takes the share with a passphrase of their own. */
  #handOver(share: Share, custodian: string): Progress {
    this.#purpose = undefined;
    const shares = Distribution.of(share, custodian, this.#vault.machine.random);
    this.#distribution = { shares, complete: ([taken]) => reassign(this.#vault, taken!) };
    return this.progress;
  }

  async #use(
    sealingKey: Buffer,
    purpose: Exclude<Purpose, { act: 'reassign-share' }>,
  ): Promise<DrillResult | undefined> {
    switch (purpose.act) {
      case 'unlock':
        await unlockHsm(this.#vault, sealingKey);
        return undefined;
      case 'change-lmk':
        await changeLmk(this.#vault, sealingKey);
        return undefined;
      case 'reshare':
        this.#newShares(
          purpose.custodians,
          purpose.threshold,
        )((taken, newKey) => reseal(this.#vault, sealingKey, newKey, taken));
        return undefined;
      default:
        return restoreBackup(this.#vault, sealingKey, purpose.backup, purpose.act);
    }
  }

  /** For the one who leads the ceremony. */
  get progress(): Progress {
    const purpose = this.#asked;
    const { waitingFor = [], sealed = [] } = this.#distribution?.shares ?? {};
    return {
      state: this.#vault.machine.state,
      ...(purpose && { asked: purpose.act }),
      given: this.#quorum.given,
      needed: purpose ? sharesNeeded(purpose, this.#vault) : 0,
      taken: sealed.length,
      waitingFor,
    };
  }

  /** A locked HSM asks to be unlocked, if for nothing else. */
  get #asked(): Purpose | undefined {
    return this.#purpose ?? (this.#vault.machine.state === 'LOCKED' ? { act: 'unlock' } : undefined);
  }
}

/** How many shares must be given. */
function sharesNeeded(purpose: Purpose, vault: Vault): number {
  return purpose.act === 'reassign-share' ? 1 : (sharesFor(purpose, vault)[0]?.threshold ?? 0);
}

/** The shares of the sealing key that is in force: the one that the LMK in question is sealed with. */
function sharesFor(purpose: Purpose, { sealedLmk, configurationFile }: Vault): SealedShare[] {
  const inBackup = purpose.act === 'restore' || purpose.act === 'drill';
  const by = inBackup ? purpose.backup.sealedLmk.by : sealedLmk?.by;
  const file = inBackup ? purpose.backup.configuration : configurationFile;
  if (by === undefined || !('shares' in by) || file === undefined) {
    throw new SoftHsmError('SOFT_HSM_STATE', 'the LMK is not shared among custodians');
  }
  const inForce = file.configuration.shares.filter(({ setId }) => setId === by.shares.setId);
  return purpose.act === 'reassign-share' ? inForce.filter(({ x }) => x === purpose.x) : inForce;
}
