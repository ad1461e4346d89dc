import { z } from 'zod';
import { isReversed } from '../search.ts';

export const reportNames = ['uniqueness', 'approvals', 'key-inventory', 'destruction', 'retention'] as const;
export const reportNameSchema = z.enum(reportNames);
export type ReportName = z.infer<typeof reportNameSchema>;

const instant = z.iso.datetime({ offset: true });

export const readReportSchema = z
  .strictObject({
    from: instant.describe('Requests at or after'),
    to: instant.describe('Requests before'),
    format: z.enum(['json', 'csv', 'pdf']).default('json'),
  })
  .refine((span) => !isReversed(span), { path: ['to'], message: 'must be after `from`' })
  .meta({ id: 'ReadReport' });
export type ReadReport = z.infer<typeof readReportSchema>;

export const reportSchema = z
  .object({
    title: z.string(),
    statement: z.string().describe('What the report says, and how that was found'),
    span: z.object({ from: instant, to: instant }),
    madeAt: z.iso.datetime(),
    holds: z.boolean().describe('False where something was found that must not be'),
    figures: z.array(z.object({ name: z.string(), value: z.string() })),
    columns: z.array(z.string()),
    rows: z.array(z.array(z.string().nullable())),
  })
  .meta({ id: 'Report' });
