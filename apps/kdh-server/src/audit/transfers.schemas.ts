import { z } from 'zod';
import { attemptStates } from '../loads/attempt.ts';

export const searchTransfersSchema = z
  .strictObject({
    terminal: z
      .string()
      .regex(/^[A-Z0-9][A-Z0-9-]{0,31}$/, 'a serial number')
      .optional()
      .describe('Serial number'),
    from: z.iso.datetime({ offset: true }).optional().describe('Requested at or after'),
    to: z.iso.datetime({ offset: true }).optional().describe('Requested before'),
    state: z.enum(attemptStates).optional(),
    bdkId: z.uuid().optional().describe('id of the BDK'),
    ksn: z
      .string()
      .regex(/^([0-9A-F]{20}|[0-9A-F]{24})$/, '20 or 24 upper-case hex digits')
      .optional(),
    cursor: z.string().max(200).optional().describe('`next` of the page before'),
    limit: z.coerce.number().int().min(1).max(500).default(50),
    format: z.enum(['json', 'csv']).optional().describe('In place of an Accept header'),
  })
  .meta({ id: 'SearchTransfers' });
export type SearchTransfers = z.infer<typeof searchTransfersSchema>;

const time = z.iso.datetime();
const fingerprintHex = z.string().nullable().describe('SHA-256 of the certificate, hex');

/** PCI PIN 26 and facts/pci.md section 2: what the auditor reads of one attempt. Never a key block, never a PAN. */
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
    approvals: z.array(z.string()).describe('Empty while the profile requires none'),
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
    requestedAt: time,
    expiresAt: time,
  })
  .meta({ id: 'Transfer' });
export type Transfer = z.infer<typeof transferSchema>;

export const transferPageSchema = z
  .object({ transfers: z.array(transferSchema), next: z.string().nullable() })
  .meta({ id: 'TransferPage' });
export type TransferPage = z.infer<typeof transferPageSchema>;
