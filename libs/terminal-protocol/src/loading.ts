import * as z from 'zod';
import {
  attemptId,
  derToken,
  epoch,
  keyAlgorithm,
  keyCheckValue,
  keySerialNumber,
  keyUsage,
  maxSlots,
  nonce,
  sha256,
  slotName,
  slotsDiffer,
  timestamp,
  tr31KeyBlock,
} from './fields.ts';

/**
 * Slots of the key block protection keys, which no profile may use: the AES key opens version D blocks and comes by
 * TR-34, the TDES key opens version B blocks and comes as a version D block in a plan, before the blocks under it.
 */
export const kbpkSlots = { AES: 'KBPK-AES', TDES: 'KBPK-TDES' } as const;

/** KT_KDH: a KBPK by TR-34 two-pass key transport. */
export const loadKbpk = z.object({
  attempt: attemptId,
  epoch,
  token: derToken,
  kcv: keyCheckValue,
  nonceK2: nonce,
  expiresAt: timestamp,
});
export type LoadKbpk = z.infer<typeof loadKbpk>;

const planFields = z.object({
  slot: slotName,
  tr31: tr31KeyBlock,
  /** Of an initial key; a KBPK that travels in a plan has none. */
  ksn: keySerialNumber.optional(),
  kcv: keyCheckValue,
  algorithm: keyAlgorithm,
});
export type PlanEntry = z.infer<typeof planFields>;
// Entries that are hashed or signed keep the members that this version does not know: the hash covers them too.
const planEntry: z.ZodType<PlanEntry> = planFields.loose();

/** Initial keys as TR-31 blocks under the terminal's KBPKs: all slots or none. */
export const loadKeys = z.object({
  attempt: attemptId,
  epoch,
  plan: z.array(planEntry).min(1).max(maxSlots).refine(slotsDiffer, { error: 'expected each slot once' }),
  /** See `planHash`. */
  planHash: sha256,
  nonceK2: nonce,
  expiresAt: timestamp,
});
export type LoadKeys = z.infer<typeof loadKeys>;

const resultFields = z.object({
  slot: slotName,
  /** 0: the key is stored. Else a 3xxx or 4xxx number of `protocolCodes`. */
  code: z.union([z.literal(0), z.int().min(3001).max(4999)]),
  /** Check value of what the terminal holds; always with code 0. */
  kcv: keyCheckValue.optional(),
  ksn: keySerialNumber.optional(),
});
export type SlotResult = z.infer<typeof resultFields>;
const slotResult: z.ZodType<SlotResult> = resultFields
  .loose()
  .refine(({ code, kcv }) => code !== 0 || kcv !== undefined, { error: 'expected a kcv with code 0' });

/** What the terminal did with an attempt, signed with its result signing key over `loadResultSignedBytes`. */
export const loadResult = z.object({
  attempt: attemptId,
  /** Epoch of the session in which the result was stored. */
  epoch,
  /** As in LOAD_KEYS; for LOAD_KBPK the SHA-256 of the token's bytes. */
  planHash: sha256,
  nonceK2: nonce,
  results: z.array(slotResult).min(1).max(maxSlots).refine(slotsDiffer, { error: 'expected each slot once' }),
  /** ECDSA P-256 with SHA-256, DER, base64. */
  signature: derToken,
});
export type LoadResult = z.infer<typeof loadResult>;

/** The KDH has committed what it makes of a LOAD_RESULT. */
export const loadAck = z.object({
  attempt: attemptId,
  verdict: z.enum(['ACCEPTED', 'MISMATCH', 'UNKNOWN']),
});
export type LoadAck = z.infer<typeof loadAck>;

/** Asks for the stored LOAD_RESULT of an attempt, or for the inventory. */
export const query = z.union([z.object({ attempt: attemptId }), z.object({ inventory: z.literal(true) })]);
export type Query = z.infer<typeof query>;

const inventoryFields = z.object({
  slot: slotName,
  usage: keyUsage,
  algorithm: keyAlgorithm,
  /** Absent for a key that has none, such as a KBPK. */
  ksn: keySerialNumber.optional(),
  kcv: keyCheckValue,
  loadedAt: timestamp,
  attempt: attemptId,
});
export type InventorySlot = z.infer<typeof inventoryFields>;
const inventorySlot: z.ZodType<InventorySlot> = inventoryFields.loose();

/** What the terminal holds. */
export const inventory = z.object({
  slots: z.array(inventorySlot).max(maxSlots).refine(slotsDiffer, { error: 'expected each slot once' }),
});
export type Inventory = z.infer<typeof inventory>;
