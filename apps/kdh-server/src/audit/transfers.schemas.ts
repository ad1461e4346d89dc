import { z } from 'zod';
import { attemptStates } from '../loads/attempt.ts';
import { exportFormatSchema } from './export.ts';
import { isReversed, pageShape, printable, spanShape } from './search.ts';

const serial = z.string().regex(/^[A-Z0-9][A-Z0-9-]{0,31}$/, 'a serial number');

/** Filters of a search for transfers; all that are there must hold. `from` and `to` are about the request. */
const filterShape = {
  terminal: serial.optional().describe('Serial number'),
  serialPrefix: serial.optional().describe('How the serial number begins'),
  serialFrom: serial.optional().describe('First serial number of a range, in the order of their bytes'),
  serialTo: serial.optional().describe('Last serial number of a range'),
  state: z.enum(attemptStates).optional(),
  kind: z.enum(['KBPK', 'KEYS']).optional(),
  bdkId: z.uuid().optional().describe('id of the BDK'),
  ksn: z
    .string()
    .regex(/^([0-9A-F]{20}|[0-9A-F]{24})$/, '20 or 24 upper-case hex digits')
    .optional(),
  kcv: z
    .string()
    .regex(/^[0-9A-F]{6}$/, '6 upper-case hex digits')
    .optional()
    .describe('Check value of a key that was loaded; two keys in 16 million share one by chance'),
  person: printable(120).optional().describe('`operator:<name>`, who requested or approved'),
  campaignId: z.uuid().optional(),
  runId: z.uuid().optional().describe('Production run at a bench'),
  station: printable(64).optional().describe('Bench station'),
  ...spanShape,
};

function refuseReversed(
  filters: { from?: string; to?: string; serialFrom?: string; serialTo?: string },
  context: z.RefinementCtx,
): void {
  const { serialFrom, serialTo } = filters;
  if (isReversed(filters))
    context.addIssue({ code: 'custom', path: ['to'], message: 'must be after `from`' });
  if (serialFrom !== undefined && serialTo !== undefined && serialFrom > serialTo)
    context.addIssue({ code: 'custom', path: ['serialTo'], message: 'must not be before `serialFrom`' });
}

function refuseTwoRanges(
  { terminal, serialPrefix, serialFrom, serialTo }: Record<string, unknown>,
  context: z.RefinementCtx,
): void {
  if ([terminal, serialPrefix, serialFrom ?? serialTo].filter((named) => named !== undefined).length > 1)
    context.addIssue({
      code: 'custom',
      path: ['terminal'],
      message: 'give one of `terminal`, `serialPrefix` and the range `serialFrom`, `serialTo`',
    });
}

export const transferFiltersSchema = z
  .strictObject(filterShape)
  .superRefine(refuseReversed)
  .superRefine(refuseTwoRanges)
  .meta({ id: 'TransferFilters' });
export type TransferFilters = z.infer<typeof transferFiltersSchema>;

export const searchTransfersSchema = z
  .strictObject({
    ...filterShape,
    ...pageShape,
    cursor: z.uuid().optional().describe('`next` of the page before'),
  })
  .superRefine(refuseReversed)
  .superRefine(refuseTwoRanges)
  .meta({ id: 'SearchTransfers' });
export type SearchTransfers = z.infer<typeof searchTransfersSchema>;

export const exportTransfersSchema = z
  .strictObject({ ...filterShape, format: exportFormatSchema })
  .superRefine(refuseReversed)
  .superRefine(refuseTwoRanges)
  .meta({ id: 'ExportTransfers' });
export type ExportTransfers = z.infer<typeof exportTransfersSchema>;

const time = z.iso.datetime();
const fingerprintHex = z.string().nullable().describe('SHA-256 of the certificate, hex');

/** PCI PIN 26: what the auditor reads of one attempt. Never a key block, never a PAN. */
export const transferSchema = z
  .object({
    attemptId: z.uuid(),
    loadId: z.uuid(),
    attemptNumber: z.number().int().describe('Dense per terminal: a gap means that a record is missing'),
    kind: z.enum(['KBPK', 'KEYS']).describe('KBPK: the first key, by TR-34; KEYS: the profile, by TR-31'),
    state: z.enum(attemptStates),
    reasonCode: z.string().nullable(),
    requestedBy: z.string(),
    reason: z.string().nullable(),
    approvals: z
      .array(z.object({ person: z.string(), role: z.string(), authentication: z.string(), at: time }))
      .describe('Empty while the profile requires none'),
    campaignId: z.uuid().nullable(),
    runId: z.uuid().nullable(),
    station: z.string().nullable(),
    terminal: z.object({
      id: z.uuid(),
      serial: z.string(),
      model: z.string(),
      hardware: z.string().nullable(),
      firmware: z.string().nullable(),
      tlsCertificateFingerprint: fingerprintHex,
      krdCertificateFingerprint: fingerprintHex,
      signingCertificateFingerprint: fingerprintHex,
    }),
    profile: z.object({ id: z.uuid(), name: z.string(), version: z.number().int() }),
    keys: z.array(
      z.object({
        slot: z.string(),
        header: z.string().nullable().describe('TR-31 header, 16 characters; null for a TR-34 token'),
        usage: z.string(),
        algorithm: z.string(),
        keyBlockVersion: z.string().nullable(),
        wrapMethod: z.enum(['TR-34', 'TR-31']),
        wrappedUnder: z.string().nullable().describe('Slot of the KBPK'),
        kbpkKcv: z.string().nullable(),
        bdkId: z.uuid().nullable(),
        bdkName: z.string().nullable(),
        bdkKcv: z.string().nullable(),
        ksn: z.string().nullable(),
        ksnBurned: z.boolean(),
        sha256: z.string().nullable().describe('Of the block or token sent'),
        kcvExpected: z.string().nullable(),
        kcvReported: z.string().nullable(),
        resultCode: z.number().int().nullable(),
      }),
    ),
    hsm: z.string().nullable(),
    node: z.string().nullable(),
    sessionEpochs: z.array(z.number().int()),
    nonces: z.object({ terminal: z.string().nullable(), kdh: z.string() }),
    planHash: z.string().nullable(),
    times: z.record(z.string(), time).describe('When each state was entered last'),
    requestedAt: time.describe('On the clock of the node that was asked; the order of searches'),
    expiresAt: time,
  })
  .meta({ id: 'Transfer' });
export type Transfer = z.infer<typeof transferSchema>;

export const transferPageSchema = z
  .object({
    transfers: z
      .array(transferSchema)
      .describe('Newest first; a page may be short, or empty, and have a `next`'),
    next: z.uuid().nullable().describe('Cursor of the next page; null: there is no more'),
  })
  .meta({ id: 'TransferPage' });
export type TransferPage = z.infer<typeof transferPageSchema>;

export const evidenceSchema = z.strictObject({
  names: z.enum(['true', 'false']).default('false').describe('Whether the names of people go with it'),
});
export type Evidence = z.infer<typeof evidenceSchema>;
