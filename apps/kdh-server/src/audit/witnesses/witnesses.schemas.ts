import { z } from 'zod';
import { witnessStates } from './verdict.ts';

const size = z.number().int().describe('Number of entries');

export const witnessesSchema = z
  .object({
    size: size.nullable().describe('Entries in the newest signed checkpoint; null before the first'),
    finalSize: size
      .nullable()
      .describe(
        'Entries in the newest checkpoint that is final; null where none is, or no witness is configured',
      ),
    quorum: z.number().int().describe('How many witnesses must cosign a checkpoint until it is final'),
    witnesses: z.array(
      z.object({
        name: z.string(),
        key: z.string().describe('Verifier key'),
        url: z.string().describe('Where it is asked'),
        state: z
          .enum(witnessStates)
          .nullable()
          .describe(
            'By its last answer: AGREES; AWAY, no answer; REFUSES, it does not want this log; ' +
              'CONTRADICTS, it has cosigned another history, which stays until it agrees. null before the first',
          ),
        detail: z.string().describe('For people; empty where all is well'),
        since: z.iso.datetime().nullable(),
        size: size.describe('Entries in the newest checkpoint that it has cosigned; 0 if none'),
        cosignedAt: z.iso.datetime().nullable().describe('When, as the witness says'),
      }),
    ),
  })
  .meta({ id: 'Witnesses' });
export type WitnessesDocument = z.infer<typeof witnessesSchema>;
