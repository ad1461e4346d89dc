import { hash } from 'node:crypto';
import canonicalizeModule from 'canonicalize';
import type { InventorySlot, LoadResult, PlanEntry } from './loading.ts';

// The package is CommonJS, `module.exports = function`, but its declaration says `export default`: node hands over the
// function, while TypeScript under nodenext expects an object around it.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string;

/** planHash of LOAD_KEYS: SHA-256 of JCS (RFC 8785) of the plan; 64 hex digits. */
export function planHash(plan: readonly PlanEntry[]): string {
  return sha256(canonicalize(plan));
}

/** planHash in the LOAD_RESULT of a LOAD_KBPK: SHA-256 of the token's DER; 64 hex digits. `token`: base64, as in the message. */
export function tokenHash(token: string): string {
  return sha256(Buffer.from(token, 'base64'));
}

/** inventoryDigest of HELLO: SHA-256 of JCS (RFC 8785) of the slots in the order of their names; 64 hex digits. */
export function inventoryDigest(slots: readonly InventorySlot[]): string {
  return sha256(canonicalize([...slots].sort((a, b) => (a.slot < b.slot ? -1 : 1))));
}

/**
 * The bytes that a terminal signs and the KDH verifies (ECDSA P-256, SHA-256, DER). The label in front keeps the
 * signature from meaning anything in another message. Members other than the six are left out.
 */
export function loadResultSignedBytes(result: Omit<LoadResult, 'signature'>, serial: string): Uint8Array {
  const { attempt, epoch, nonceK2, planHash, results } = result;
  return Buffer.from(
    `kdh.v1/LOAD_RESULT\n${canonicalize({ attempt, epoch, nonceK2, planHash, results, serial })}`,
  );
}

function sha256(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex').toUpperCase();
}
