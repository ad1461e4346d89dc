import { canonicalJson } from './canonical-json.ts';

/** A security officer, who signs orders with an Ed25519 key that the HSM never has. */
export interface Officer {
  name: string;
  /** 32 bytes, upper-case hex. */
  publicKey: string;
}

/** What officers order; `act` says what, and each act has details of its own. */
export interface Order {
  v: 1;
  /** Id of the HSM that it is for. */
  hsm: string;
  act: string;
  /** ISO 8601, UTC. */
  notBefore: string;
  /** At most 12 hours after `notBefore`. */
  expiry: string;
  /** 16 random bytes in upper-case hex; an order is carried out once. */
  nonce: string;
  /** For the log. */
  purpose: string;
  ticket: string;
  [detail: string]: unknown;
}

export interface SignedOrder {
  order: Order;
  /** Of different officers, each over `orderBytes`; 64 bytes in upper-case hex. */
  signatures: { officer: string; signature: string }[];
}

/** Longest time from `notBefore` to `expiry`. */
export const longestOrderMs = 12 * 3_600_000;

/** The signed bytes: a label, then the order in canonical form. Throws a RangeError if it has none. */
export function orderBytes(order: Order): Buffer {
  return Buffer.from(`openkdh soft-hsm order v1\n${canonicalJson(order)}\n`);
}
