import { z } from 'zod';
import { attemptStates } from './attempt.ts';

const reason = z
  .string()
  .trim()
  .min(3)
  .max(500)
  .describe('Why a further load is needed; part of the history');

export const createLoadSchema = z.strictObject({ terminalId: z.uuid(), reason }).meta({ id: 'CreateLoad' });
export type CreateLoad = z.infer<typeof createLoadSchema>;

export const createLoadsSchema = z
  .strictObject({
    terminalIds: z
      .array(z.uuid())
      .min(1)
      .max(1000)
      .refine((ids) => new Set(ids).size === ids.length, { error: 'expected each terminal once' }),
    reason,
  })
  .meta({ id: 'CreateLoads' });
export type CreateLoads = z.infer<typeof createLoadsSchema>;

export const loadSchema = z
  .object({
    id: z.uuid(),
    terminalId: z.uuid(),
    profileId: z.uuid(),
    attempts: z.array(
      z.object({
        id: z.uuid(),
        number: z.number().int(),
        state: z.enum(attemptStates),
        reasonCode: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Load' });
export type Load = z.infer<typeof loadSchema>;

export const loadsSchema = z.array(loadSchema).meta({ id: 'Loads' });
