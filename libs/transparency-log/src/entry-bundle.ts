import { TransparencyLogError } from './errors.ts';
import { tileWidth } from './tiles.ts';

/** Longest entry of a bundle, since its length has 16 bits. C2SP tlog-tiles, "Log entries". */
export const maxEntryBytes = 0xffff;

/** Writes 1 to 256 entries of 0 to 65,535 bytes: length[2] entry[length], repeated. @throws TLOG_HOSTILE_SIZE */
export function formatEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  requireCount(entries.length);
  const bundle = Buffer.allocUnsafe(entries.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > maxEntryBytes) {
      throw new TransparencyLogError(
        'TLOG_HOSTILE_SIZE',
        `entry: expected at most ${maxEntryBytes} bytes, got ${entry.length}`,
      );
    }
    at = bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at);
    at += entry.length;
  }
  return bundle;
}

/** The entries of a bundle, as views of its bytes. @throws TLOG_MALFORMED (cut short), TLOG_HOSTILE_SIZE (count) */
export function parseEntryBundle(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    requireCount(entries.length + 1);
    const start = at + 2;
    const end = start + (bytes[at]! << 8) + (bytes[at + 1] ?? 0);
    if (end > bytes.length) {
      throw new TransparencyLogError(
        'TLOG_MALFORMED',
        `entry bundle: entry ${entries.length} needs ${end - at} bytes, ${bytes.length - at} are left`,
      );
    }
    entries.push(bytes.subarray(start, end));
    at = end;
  }
  requireCount(entries.length);
  return entries;
}

function requireCount(count: number): void {
  if (count < 1 || count > tileWidth) {
    throw new TransparencyLogError(
      'TLOG_HOSTILE_SIZE',
      `entry bundle: expected 1 to ${tileWidth} entries, got ${count}`,
    );
  }
}
