import { wipe } from '@openkdh/block-ciphers';
import { shortestPassphraseBytes } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import type { Random } from '../random/random-source.ts';
import type { ShareAssignment } from './configuration.ts';
import { type SealedShare, type Stretch, sealShare } from './sealed-share.ts';
import { combineShares, type Share, splitSecret } from './shamir.ts';

/**
 * Hands the shares of a sealing key out to custodians, each sealed with a passphrase that only the custodian knows.
 * One custodian may take several, but fewer than the threshold: nobody alone may ever know enough.
 */
export class Distribution {
  readonly #random: Random;
  #waiting: { custodian: string; share: Share }[];
  readonly sealed: SealedShare[] = [];

  private constructor(waiting: { custodian: string; share: Share }[], random: Random) {
    this.#waiting = waiting;
    this.#random = random;
  }

  /** Splits a sealing key. `custodians`: one name for each share. Throws SOFT_HSM_SHARES. */
  static split(
    sealingKey: Uint8Array,
    custodians: readonly string[],
    threshold: number,
    random: Random,
  ): Distribution {
    const perCustodian = (name: string) => custodians.filter((other) => other === name).length;
    const tooMany = custodians.find((name) => perCustodian(name) >= threshold);
    if (tooMany !== undefined) throw refusal(`${tooMany} would hold ${threshold} shares or more`);
    custodians.forEach(requireName);
    const shares = splitSecret(sealingKey, threshold, custodians.length, random);
    return new Distribution(
      shares.map((share, n) => ({ custodian: custodians[n]!, share })),
      random,
    );
  }

  /** One share that is there already. */
  static of(share: Share, custodian: string, random: Random): Distribution {
    requireName(custodian);
    return new Distribution([{ custodian, share }], random);
  }

  /** Custodians who still have a share to take. */
  get waitingFor(): string[] {
    return this.#waiting.map(({ custodian }) => custodian);
  }

  /** Seals the next share of this custodian. */
  async take(custodian: string, passphrase: Uint8Array, stretch: Stretch): Promise<void> {
    requirePassphrase(passphrase);
    const next = this.#waiting.find((entry) => entry.custodian === custodian);
    if (next === undefined) throw refusal(`there is no share for ${custodian}`);
    this.#waiting = this.#waiting.filter((entry) => entry !== next);
    this.sealed.push(await sealShare(next.share, custodian, passphrase, this.#random, stretch));
    wipe(next.share.y);
  }

  wipe(): void {
    for (const { share } of this.#waiting) wipe(share.y);
    this.#waiting = [];
  }
}

/** Collects shares until there are enough for the sealing key. */
export class Quorum {
  #shares: Share[] = [];

  /** The sealing key once the threshold is reached, which the caller wipes. Throws SOFT_HSM_SHARES. */
  give(share: Share): Buffer | undefined {
    if (this.#shares.some(({ x }) => x === share.x)) throw refusal('the share was given before');
    this.#shares.push(share);
    if (this.#shares.length < share.threshold) return undefined;
    try {
      return combineShares(this.#shares);
    } finally {
      this.wipe();
    }
  }

  /** Whether this share was given already. */
  has({ x }: Pick<Share, 'x'>): boolean {
    return this.#shares.some((share) => share.x === x);
  }

  get given(): number {
    return this.#shares.length;
  }

  wipe(): void {
    for (const { y } of this.#shares) wipe(y);
    this.#shares = [];
  }
}

/**
 * Refuses to give a share to somebody who would then have known as many shares of the set as open it, counting those
 * that were given away again: a share that changed hands stays known. PCI PIN 8-2 and 21-2.
 */
export function requireAssignable(
  history: readonly ShareAssignment[],
  { setId, x, threshold }: Pick<SealedShare, 'setId' | 'x' | 'threshold'>,
  custodian: string,
): void {
  const known = new Set(
    history.filter((entry) => entry.setId === setId && entry.custodian === custodian).map((entry) => entry.x),
  );
  if (known.add(x).size >= threshold)
    throw refusal(`${custodian} would have known ${threshold} shares of the set`);
}

export function requirePassphrase(passphrase: Uint8Array): void {
  if (passphrase.length < shortestPassphraseBytes) {
    throw new SoftHsmError(
      'SOFT_HSM_SEAL',
      `a passphrase of at least ${shortestPassphraseBytes} bytes expected`,
    );
  }
}

function requireName(name: string): void {
  if (!/^[\w .-]{1,64}$/.test(name)) throw refusal('a name of 1 to 64 letters, digits, _ . - expected');
}

function refusal(why: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_SHARES', `shares: ${why}`);
}
