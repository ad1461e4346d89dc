import type { Order } from '@openkdh/hsm-management';
import { Refusal } from '../answer-codes.ts';
import { SoftHsmError } from '../errors.ts';

/**
 * Categories of what hosts do that needs a grant; with a key usage they make an activity, named as payShield names
 * authorised activities: `export.K1.host`.
 */
export type GrantedAct = 'component' | 'import' | 'export';

/** An activity that two officers have allowed, for some time and a number of times. */
export interface Grant {
  /** The nonce of its order. */
  id: string;
  activity: string;
  /** Id of the host that may do it. */
  client: string;
  lmkId: string;
  remaining: number;
  /** Milliseconds since 1970. */
  notBefore: number;
  expiry: number;
}

/** The grants in force. They are kept in memory: a restart ends them, and their orders cannot be used again. */
export class Grants {
  readonly #now: () => Date;
  #grants: Grant[] = [];

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** Puts a verified order of act `grant` in force. Throws SOFT_HSM_ORDER if its details are not those of a grant. */
  add(order: Order): Grant {
    const { activity, client, lmkId, count } = order;
    if (
      typeof activity !== 'string' ||
      !/^(component|import|export)\.[0-9A-Z]{2}\.host$/.test(activity) ||
      typeof client !== 'string' ||
      !/^(local|[0-9A-F]{64})$/.test(client) ||
      typeof lmkId !== 'string' ||
      !/^[01][0-9]$/.test(lmkId) ||
      !Number.isSafeInteger(count) ||
      (count as number) < 1
    ) {
      throw new SoftHsmError('SOFT_HSM_ORDER', 'grant: activity, client, lmkId and count expected');
    }
    const grant: Grant = {
      ...{ id: order.nonce, activity, client, lmkId, remaining: count as number },
      notBefore: Date.parse(order.notBefore),
      expiry: Date.parse(order.expiry),
    };
    this.#grants.push(grant);
    return grant;
  }

  /** Uses up one of a grant for this, and returns its id. Refuses with 17 if there is none. */
  use(act: GrantedAct, keyUsage: string, client: string, lmkId: string): string {
    const activity = `${act}.${keyUsage}.host`;
    const grant = this.active.find(
      (one) => one.activity === activity && one.client === client && one.lmkId === lmkId,
    );
    if (grant === undefined) throw new Refusal('17', `${activity} is not granted`);
    grant.remaining -= 1;
    return grant.id;
  }

  /** Those in force now. */
  get active(): readonly Grant[] {
    const now = this.#now().getTime();
    this.#grants = this.#grants.filter(({ expiry, remaining }) => now < expiry && remaining > 0);
    return this.#grants.filter(({ notBefore }) => notBefore <= now);
  }
}
