import { z } from 'zod';
import { exportFormatSchema } from './export.ts';
import { isReversed, pageShape, printable, spanShape } from './search.ts';

const typeName = /^[a-z][a-z-]*(\.[a-z_-]+)?$/;

/** Filters of a search for audit events; all that are there must hold. */
const filterShape = {
  type: z
    .string()
    .max(64)
    .regex(typeName, '`feature.verb`, or `feature` alone for all of it')
    .optional()
    .describe(
      'Of a move of an attempt: the state that it reached. `through` in its body has those on the way',
    ),
  actor: printable(120).optional().describe('`operator:<name>`, `terminal:<serial>` or `node:<id>`'),
  terminal: z
    .string()
    .regex(/^[A-Z0-9][A-Z0-9-]{0,31}$/, 'a serial number')
    .optional()
    .describe('Serial number: what happened to it, its attempts included'),
  attemptId: z.uuid().optional(),
  words: printable(200).optional().describe('Words in what people wrote or named, all of them, in any order'),
  ...spanShape,
};

function refuseReversed(filters: { from?: string; to?: string }, context: z.RefinementCtx): void {
  if (isReversed(filters))
    context.addIssue({ code: 'custom', path: ['to'], message: 'must be after `from`' });
}

export const eventFiltersSchema = z
  .strictObject(filterShape)
  .superRefine(refuseReversed)
  .meta({ id: 'EventFilters' });
export type EventFilters = z.infer<typeof eventFiltersSchema>;

export const searchEventsSchema = z
  .strictObject({
    ...filterShape,
    ...pageShape,
    cursor: z
      .string()
      .regex(/^[1-9][0-9]{0,17}$/, 'the id of an event')
      .optional()
      .describe('`next` of the page before'),
  })
  .superRefine(refuseReversed)
  .meta({ id: 'SearchEvents' });
export type SearchEvents = z.infer<typeof searchEventsSchema>;

export const exportEventsSchema = z
  .strictObject({ ...filterShape, format: exportFormatSchema })
  .superRefine(refuseReversed)
  .meta({ id: 'ExportEvents' });
export type ExportEvents = z.infer<typeof exportEventsSchema>;

export const eventSchema = z
  .object({
    id: z.string().describe('Decimal; neither dense nor in the order of the log'),
    time: z.string().describe('UTC, with microseconds'),
    type: z.string(),
    actor: z.string(),
    terminal: z.string().nullable().describe('Serial number'),
    attemptId: z.uuid().nullable(),
    body: z.record(z.string(), z.unknown()),
    leafIndex: z
      .string()
      .nullable()
      .describe('Place in the transparency log, decimal; null until it is sealed'),
  })
  .meta({ id: 'AuditEvent' });
export type EventRecord = z.infer<typeof eventSchema>;

export const eventPageSchema = z
  .object({
    events: z.array(eventSchema).describe('Newest first; a page may be short, or empty, and have a `next`'),
    next: z.string().nullable().describe('Cursor of the next page; null: there is no more'),
  })
  .meta({ id: 'AuditEventPage' });
export type EventPage = z.infer<typeof eventPageSchema>;
