import { isUtf8 } from 'node:buffer';
import { TransparencyLogError } from './errors.ts';

/**
 * Largest size, index or time stamp: 2^63 − 1. C2SP tlog-cosignature says so for time stamps; for sizes it follows
 * from tlog-witness, which allows 63 hashes in a consistency proof.
 */
export const maxSize = 2n ** 63n - 1n;

/** Refuses what cannot be the size of a log or an index in it. `what` names it in the message. */
export function requireSize(value: bigint, what: string): void {
  if (value < 0n || value > maxSize) {
    throw new TransparencyLogError('TLOG_HOSTILE_SIZE', `${what}: expected 0 to 2^63 - 1`);
  }
}

/** A decimal number without leading zeros, as in checkpoints and receipts; read as text, so no digit is lost. */
export function parseDecimal(text: string, what: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text)) {
    throw new TransparencyLogError(
      'TLOG_HOSTILE_SIZE',
      `${what}: expected 0 to 2^63 - 1, decimal, without leading zeros, got ${text.length} characters`,
    );
  }
  const value = BigInt(text);
  requireSize(value, what);
  return value;
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** RFC 4648, section 4, padded: only the one spelling that `encodeBase64` gives. */
export function decodeBase64(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `${what}: expected base64, got ${text.length} characters`,
    );
  }
  return bytes;
}

export function encodeUtf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

export function decodeUtf8(bytes: Uint8Array, what: string): string {
  if (!isUtf8(bytes)) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `${what}: expected UTF-8, got ${bytes.length} other bytes`,
    );
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

/** Whether two public byte strings are equal; not for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
