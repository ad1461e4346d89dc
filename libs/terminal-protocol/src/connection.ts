import * as z from 'zod';
import {
  epoch,
  messageId,
  milliseconds,
  nonce,
  serialNumber,
  sessionId,
  sha256,
  shortText,
  timestamp,
} from './fields.ts';

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What every frame carries around its body. Unknown members are ignored. */
export const envelope = z.object({
  v: z.literal(1),
  t: z.string().min(1).max(32),
  id: messageId,
  /** `id` of the message that this one answers. */
  re: messageId.optional(),
  /** Absent before WELCOME, required from it on. */
  sid: sessionId.optional(),
  /** 1, 2, 3 … in each direction. */
  seq: z.int().min(1),
  b: z.custom<Record<string, unknown>>(isObject, { error: 'expected an object' }),
});
export type Envelope = z.infer<typeof envelope>;

// Lists of words, not of known words: a capability that the KDH does not know is no reason to refuse a terminal.
const capabilityWords = z.array(shortText).min(1).max(32);

/** First frame of a terminal. */
export const hello = z.object({
  serial: serialNumber,
  model: shortText,
  hardware: shortText,
  firmware: shortText,
  capabilities: z.object({
    /** `2pass`, later `1pass`. */
    tr34: capabilityWords,
    /** Key block versions that the terminal can unwrap. */
    tr31: capabilityWords,
    /** Key algorithms: `T2`, `T3`, `A128`, `A192`, `A256`. */
    algorithms: capabilityWords,
    /** Number of key slots. */
    slots: z.int().min(1).max(1024),
  }),
  /** The KDH that the terminal is bound to. */
  bindState: z.object({ kdhCertificateFingerprint: sha256 }).nullable(),
  nonceD: nonce,
  /** See `inventoryDigest`. */
  inventoryDigest: sha256,
});
export type Hello = z.infer<typeof hello>;

/** Answer to HELLO; its envelope assigns the `sid`. */
export const welcome = z.object({
  epoch,
  serverTime: timestamp,
  nonceK: nonce,
  /** Interval of the KDH's WebSocket pings. */
  pingMs: milliseconds,
  maxFrameBytes: z.int().min(1024),
  policyVersion: z.int().min(1),
});
export type Welcome = z.infer<typeof welcome>;

/** The KDH ends the session; `code` says why, as in `protocolCodes`. */
export const kick = z.object({ code: z.int().min(1000).max(9999), retryAfterMs: milliseconds });
export type Kick = z.infer<typeof kick>;

/** A refusal, in both directions; the envelope's `re` names the message refused. */
export const errorMessage = z.object({
  code: z.int().min(1000).max(9999),
  /** Name of the code; a receiver decides by `code`. */
  name: shortText,
  detail: z
    .string()
    .regex(/^[\x20-\x7e]{0,200}$/)
    .optional(),
  /** Whether the sender closes the connection after this frame. */
  fatal: z.boolean(),
});
export type ErrorMessage = z.infer<typeof errorMessage>;
