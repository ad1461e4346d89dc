import { wipe } from '@openkdh/block-ciphers';
import { SoftHsmError } from '../errors.ts';
import type { HostEntry } from '../hosts/host-list.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { type Authorities, noAuthorities } from '../tr34/authorities.ts';
import { type Configuration, type ConfigurationFile, macOf, writeConfiguration } from './configuration.ts';
import { Grants } from './grants.ts';
import { type VerifiedOrder, verifyOrder } from './orders.ts';

export interface DualControlOptions {
  /** Where the configuration is. */
  path: string;
  configuration: Configuration;
  /** Authenticates the configuration; 32 bytes, taken over. */
  configurationKey: Uint8Array;
  /** Seals backups; 32 bytes, taken over. */
  backupKey: Uint8Array;
  hosts: Hosts;
  authorities: Authorities;
  now: () => Date;
}

/** What two officers together decide over: who may use the HSM, for what, and what they have granted. */
export class DualControl {
  readonly grants: Grants;
  readonly backupKey: Uint8Array;
  readonly #path: string;
  readonly #configurationKey: Uint8Array;
  readonly #hosts: Hosts;
  readonly #authorities: Authorities;
  readonly #now: () => Date;
  #configuration: Configuration;

  constructor({
    path,
    configuration,
    configurationKey,
    backupKey,
    hosts,
    authorities,
    now,
  }: DualControlOptions) {
    this.#path = path;
    this.#configuration = configuration;
    this.#configurationKey = configurationKey;
    this.backupKey = backupKey;
    this.#hosts = hosts;
    this.#authorities = authorities;
    this.#now = now;
    this.grants = new Grants(now);
    this.#apply();
  }

  get configuration(): Readonly<Configuration> {
    return this.#configuration;
  }

  /** The configuration as it is on disk. */
  get file(): ConfigurationFile {
    return { configuration: this.#configuration, mac: macOf(this.#configuration, this.#configurationKey) };
  }

  /** Verifies an order and notes that it was used, for good, before it is carried out. Throws SOFT_HSM_ORDER. */
  accept(value: unknown): VerifiedOrder {
    const { hsmId, officers, usedNonces } = this.#configuration;
    const now = this.#now();
    const verified = verifyOrder(value, {
      hsm: hsmId,
      officers,
      usedNonces: new Set(usedNonces.map((used) => used.nonce)),
      now,
    });
    const stillInForce = usedNonces.filter((used) => Date.parse(used.expiry) > now.getTime());
    const { nonce, expiry } = verified.order;
    this.update({ usedNonces: [...stillInForce, { nonce, expiry }] });
    return verified;
  }

  /** Changes the configuration, on disk first. */
  update(change: Partial<Omit<Configuration, 'version' | 'hsmId'>>): void {
    const configuration = { ...this.#configuration, ...change };
    writeConfiguration(this.#path, { configuration, mac: macOf(configuration, this.#configurationKey) });
    this.#configuration = configuration;
    this.#apply();
  }

  wipe(): void {
    wipe(this.#configurationKey, this.backupKey);
  }

  #apply(): void {
    this.#authorities.replace(this.#configuration.authorities ?? noAuthorities);
    this.#hosts.replace(
      new Map(this.#configuration.hosts.map((host): [string, HostEntry] => [host.id, host])),
    );
  }
}

/** Refuses officers and custodians who could be one person: SOFT_HSM_ORDER. */
export function requireSeparateRoles(
  officers: readonly { name: string; publicKey: string }[],
  custodians: readonly string[],
): void {
  const distinct = (values: readonly string[]) => new Set(values).size === values.length;
  const names = officers.map(({ name }) => name);
  if (officers.length < 2) throw bad('at least two officers expected');
  if (!distinct(names) || !distinct(officers.map(({ publicKey }) => publicKey)))
    throw bad('two officers are the same');
  if (names.some((name) => custodians.includes(name))) throw bad('an officer is a custodian too');
}

function bad(why: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_ORDER', `roles: ${why}`);
}
