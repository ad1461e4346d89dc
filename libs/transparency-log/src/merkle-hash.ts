import { hash } from 'node:crypto';
import { TransparencyLogError } from './errors.ts';

/** SHA-256, the hash of every log here. */
export const hashBytes = 32;

// RFC 9162, 2.1.1: the first byte keeps a leaf from being taken for a node, and a node for a leaf.
const leafPrefix = 0x00;
const nodePrefix = 0x01;

/** One-shot, and through a hex string: on Node 20 several times faster than a Buffer from a hash object. */
function sha256(data: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', data, 'hex'), 'hex');
}

/** Hash of an entry as a leaf: SHA-256(00 ‖ entry), 32 bytes. RFC 9162, 2.1.1. */
export function leafHash(entry: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(1 + entry.length);
  input[0] = leafPrefix;
  input.set(entry, 1);
  return sha256(input);
}

/** Filled anew by every call of nodeHash, which is synchronous: allocation would cost as much as the hash. */
const nodeInput = Buffer.alloc(1 + 2 * hashBytes, nodePrefix);

/** Hash of a node: SHA-256(01 ‖ left ‖ right), 32 bytes each. RFC 9162, 2.1.1. @throws TLOG_MALFORMED */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  requireHash(left, 'left hash');
  requireHash(right, 'right hash');
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + hashBytes);
  return sha256(nodeInput);
}

/** Root of the tree without entries: SHA-256 of nothing, 32 bytes. RFC 9162, 2.1.1. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0));
}

/** Refuses what has not the length of a hash. `what` names it in the message. */
export function requireHash(bytes: Uint8Array, what: string): void {
  if (bytes.length !== hashBytes) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `${what}: expected ${hashBytes} bytes, got ${bytes.length}`,
    );
  }
}
