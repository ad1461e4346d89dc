import { z } from 'zod';
import { attemptStates } from './attempt.ts';

export const createLoadSchema = z
  .strictObject({
    terminalId: z.uuid(),
    reason: z.string().trim().min(3).max(500).describe('Why a further load is needed; part of the history'),
  })
  .meta({ id: 'CreateLoad' });
export type CreateLoad = z.infer<typeof createLoadSchema>;

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
