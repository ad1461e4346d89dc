import * as z from 'zod';

/** Most slots in one plan, one result or one inventory. */
export const maxSlots = 64;

// One canonical form per value: base64 with padding and zero spare bits, upper-case hex, lower-case UUIDs.
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const uuidV7 = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';

function matching(pattern: string | RegExp, what: string) {
  return z.string().regex(new RegExp(pattern), { error: `expected ${what}` });
}

/** Identifier of a message, RFC 9562 version 7. */
export const messageId = matching(`^${uuidV7}$`, 'a UUID of version 7 in lower case');
/** Identifier of an attempt, RFC 9562, any version. */
export const attemptId = matching(`^${uuid}$`, 'a UUID in lower case');
/** Session identifier: opaque to the terminal. */
export const sessionId = matching('^[A-Za-z0-9-]{1,64}$', '1 to 64 letters, digits or hyphens');
/** Serial number of a terminal, as in its certificates. */
export const serialNumber = matching('^[A-Z0-9][A-Z0-9-]{0,31}$', '1 to 32 of A-Z, 0-9 and hyphen');
/** Name of a key slot. */
export const slotName = matching('^[A-Z0-9-]{1,16}$', '1 to 16 of A-Z, 0-9 and hyphen');
/** Printable ASCII, so that a text can stand in a log line as it is. */
export const shortText = matching('^[\\x20-\\x7e]{1,64}$', '1 to 64 printable ASCII characters');
/** A DER-encoded token, base64. */
export const derToken = matching(base64, 'base64').min(4);
/** A nonce of 16 bytes, base64. */
export const nonce = matching('^[A-Za-z0-9+/]{21}[AQgw]==$', 'base64 of 16 bytes');
/** SHA-256, 64 hex digits. */
export const sha256 = matching('^[0-9A-F]{64}$', '64 upper-case hex digits');
/** Key check value: 3 to 5 bytes (PCI PIN 15-1 allows at most 3 for the legacy form, 5 for CMAC). */
export const keyCheckValue = matching('^(?:[0-9A-F]{2}){3,5}$', '6, 8 or 10 upper-case hex digits');
/** Initial KSN: 20 hex digits for TDES DUKPT (X9.24-1), 24 for AES DUKPT (X9.24-3); the counter is zero. */
export const keySerialNumber = matching('^(?:[0-9A-F]{20}|[0-9A-F]{24})$', '20 or 24 upper-case hex digits');
/** A TR-31 key block: versions A to D are printable ASCII, and their length field has four digits. */
export const tr31KeyBlock = matching('^[\\x20-\\x7e]{16,9999}$', '16 to 9999 printable ASCII characters');
/** Algorithm and length of a key. */
export const keyAlgorithm = z.enum(['T2', 'T3', 'A128', 'A192', 'A256']);
/** Key usage, ANSI X9.143:2021, 6.3.1, table 2. */
export const keyUsage = matching('^[A-Z0-9]{2}$', '2 of A-Z and 0-9');
/** A point in time, RFC 3339 in UTC. */
export const timestamp = z.iso.datetime({ error: 'expected an RFC 3339 time in UTC' });
/** Fencing number of a session: the database counts it up for each session of a terminal. */
export const epoch = z.int().min(1);
export const milliseconds = z.int().min(0).max(86_400_000);

/** Whether no two entries name the same slot. */
export function slotsDiffer(entries: readonly { slot: string }[]): boolean {
  return new Set(entries.map(({ slot }) => slot)).size === entries.length;
}
