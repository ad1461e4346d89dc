import { z } from 'zod';
import { isTooStrongFor, KBPK_AES, KBPK_TDES, planKeys } from './profile.ts';

export const profileSlotSchema = z
  .strictObject({
    slot: z
      .string()
      .regex(/^[A-Z0-9-]{1,16}$/, '1 to 16 of A-Z, 0-9 and hyphen')
      .refine((slot) => slot !== KBPK_AES && slot !== KBPK_TDES, 'reserved for key block protection keys'),
    bdkId: z.uuid().describe('id of the BDK'),
    algorithm: z.enum(['T2', 'T3', 'A128', 'A192', 'A256']).describe('of the initial key'),
    keyBlockVersion: z.enum(['B', 'D']).describe('TR-31 version: B under a TDES KBPK, D under an AES KBPK'),
  })
  .refine((slot) => slot.algorithm.startsWith('A') === (slot.keyBlockVersion === 'D'), {
    message: 'AES keys travel in version D, TDES keys in version B',
    path: ['keyBlockVersion'],
  })
  .refine((slot) => !isTooStrongFor(planKeys([slot], true)[0]!), {
    message: 'the key is stronger than the KBPK that would wrap it (PCI PIN 18-3)',
    path: ['algorithm'],
  })
  .meta({ id: 'ProfileSlot' });

export const createProfileSchema = z
  .strictObject({
    name: z.string().regex(/^[\x20-\x7e]{1,64}$/, '1 to 64 printable characters'),
    slots: z
      .array(profileSlotSchema)
      .min(1)
      .max(16)
      .refine((slots) => new Set(slots.map((slot) => slot.slot)).size === slots.length, 'each slot once'),
  })
  .meta({ id: 'CreateProfile' });
export type CreateProfile = z.infer<typeof createProfileSchema>;

export const profileSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    version: z.number().int(),
    slots: z.array(profileSlotSchema),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Profile' });
export type Profile = z.infer<typeof profileSchema>;
