import { z } from 'zod';
import { eventFiltersSchema } from './events.schemas.ts';
import { printable } from './search.ts';
import { transferFiltersSchema } from './transfers.schemas.ts';

const name = printable(80);

/** A search under a name; its filters are those of `GET /transfers` or of `GET /events`. */
export const saveSearchSchema = z
  .discriminatedUnion('subject', [
    z.strictObject({ name, subject: z.literal('transfers'), filters: transferFiltersSchema }),
    z.strictObject({ name, subject: z.literal('events'), filters: eventFiltersSchema }),
  ])
  .meta({ id: 'SaveSearch' });
export type SaveSearch = z.infer<typeof saveSearchSchema>;

export const savedSearchSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    subject: z.enum(['transfers', 'events']),
    filters: z.record(z.string(), z.unknown()),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'SavedSearch' });
export type SavedSearch = z.infer<typeof savedSearchSchema>;
