import { z } from 'zod';

/** In every schema of this server: what is left out is missing, and not of a wrong type. */
z.config({
  customError: ({ code, input }) =>
    code === 'invalid_type' && input === undefined ? 'is missing' : undefined,
});

/** An id in a path. */
export const uuidParam = z.uuid();

/** Why a person did something: part of the history. */
export const reasonSchema = z
  .strictObject({ reason: z.string().trim().min(3).max(500) })
  .meta({ id: 'Reason' });
export type Reason = z.infer<typeof reasonSchema>;
