import { type KeyObject, verify } from 'node:crypto';
import {
  ed25519PublicKey,
  longestOrderMs,
  type Officer,
  type Order,
  orderBytes,
  type SignedOrder,
} from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';

const signaturesNeeded = 2;

/** An order that may be carried out, and who has signed it. */
export interface VerifiedOrder {
  order: Order;
  signers: string[];
}

/**
 * The order, if two different officers have signed it, it is for this HSM, in force at `now`, and its nonce is not among
 * `usedNonces`. Throws SOFT_HSM_ORDER with the first reason why not.
 */
export function verifyOrder(
  value: unknown,
  context: { hsm: string; officers: readonly Officer[]; usedNonces: ReadonlySet<string>; now: Date },
): VerifiedOrder {
  const { order, signatures } = readSignedOrder(value);
  const { hsm, officers, usedNonces, now } = context;
  const bytes = signedBytes(order);
  const valid = signatures.filter((entry) => signedBy(officers, entry, bytes));
  const signers = [...new Set(valid.map(({ officer }) => officer))];
  if (signers.length < signaturesNeeded)
    throw bad(`${signaturesNeeded} officers must sign, ${signers.length} have`);
  if (order.hsm !== hsm) throw bad('it is for another HSM');
  const [from, until] = [Date.parse(order.notBefore), Date.parse(order.expiry)];
  if (!(from < until && until - from <= longestOrderMs))
    throw bad('it must be in force for at most 12 hours');
  if (now.getTime() < from) throw bad('it is not in force yet');
  if (now.getTime() >= until) throw bad('it has expired');
  if (usedNonces.has(order.nonce)) throw bad('it was carried out before');
  return { order, signers };
}

/** Throws SOFT_HSM_ORDER for anything but an array of names with public keys. */
export function readOfficers(value: unknown): Officer[] {
  const wellFormed =
    Array.isArray(value) &&
    value.every(
      (officer) =>
        /^[\w .-]{1,64}$/.test(String(officer?.name)) &&
        ed25519PublicKey(String(officer?.publicKey)) !== undefined,
    );
  if (!wellFormed) throw bad('officers: names and Ed25519 public keys in upper-case hex expected');
  return value.map(({ name, publicKey }: Officer) => ({ name, publicKey }));
}

function signedBytes(order: Order): Buffer {
  try {
    return orderBytes(order);
  } catch {
    throw bad('it has no canonical form');
  }
}

function signedBy(
  officers: readonly Officer[],
  { officer, signature }: SignedOrder['signatures'][number],
  bytes: Uint8Array,
): boolean {
  const known = officers.find(({ name }) => name === officer);
  const key: KeyObject | undefined = known && ed25519PublicKey(known.publicKey);
  return key !== undefined && verify(null, bytes, key, Buffer.from(signature, 'hex'));
}

function readSignedOrder(value: unknown): SignedOrder {
  const { order, signatures } = (value ?? {}) as Partial<SignedOrder>;
  const texts = ['hsm', 'act', 'notBefore', 'expiry', 'purpose', 'ticket'] as const;
  const wellFormed =
    typeof order === 'object' &&
    order !== null &&
    order.v === 1 &&
    texts.every((name) => typeof order[name] === 'string') &&
    typeof order.nonce === 'string' &&
    /^[0-9A-F]{32}$/.test(order.nonce) &&
    Array.isArray(signatures) &&
    signatures.every(
      (entry) => typeof entry?.officer === 'string' && /^[0-9A-F]{128}$/.test(String(entry.signature)),
    );
  if (!wellFormed) throw bad('an order with its signatures expected');
  return { order, signatures };
}

function bad(why: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_ORDER', `the order is not carried out: ${why}`);
}
