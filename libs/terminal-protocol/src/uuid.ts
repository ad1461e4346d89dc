import { randomBytes } from 'node:crypto';

/** A new UUID of version 7, RFC 9562, 5.7: unix_ts_ms[6] ver|rand_a[2] var|rand_b[8]. `random`: 10 bytes. */
export function uuidV7(timeMs: number = Date.now(), random: Uint8Array = randomBytes(10)): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(timeMs, 0, 6);
  bytes.set(random, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f); // version 7
  bytes[8] = 0x80 | (bytes[8]! & 0x3f); // variant 10
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
