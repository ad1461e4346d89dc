import { z } from 'zod';
import { attemptStates } from '../loads/attempt.ts';

const ok = z.enum(['ok', 'failed']);

export const readinessSchema = z
  .object({
    ready: z.boolean(),
    checks: z.object({
      database: ok,
      queue: ok,
      hsm: ok,
      terminals: ok.optional().describe('On nodes with the role gateway'),
    }),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof readinessSchema>;

export const statusSchema = z
  .object({
    node: z.string(),
    hsm: z
      .object({ name: z.string(), lmkCheckValue: z.string().optional(), firmware: z.string() })
      .nullable(),
    terminals: z.object({ enrolled: z.number().int(), bound: z.number().int(), connected: z.number().int() }),
    loads: z.object({
      requested: z.number().int(),
      confirmed: z.number().int(),
      open: z.number().int(),
      failed: z.number().int().describe('Ended, and not confirmed'),
    }),
    attempts: z.partialRecord(z.enum(attemptStates), z.number().int()),
    incidents: z.object({ open: z.number().int() }),
  })
  .meta({ id: 'Status' });
export type Status = z.infer<typeof statusSchema>;
