import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const randomBytesPerId = 16;
/** Drawn for so many identifiers at once: a draw costs more than all else of an identifier. */
const pool = new Uint8Array(256 * randomBytesPerId);
let used = pool.length;

/** A new identifier of a message or a session: a UUID of version 7 (RFC 9562, 5.7). No secret. */
export function newMessageId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + randomBytesPerId);
  used += randomBytesPerId;
  return v7({ random });
}
