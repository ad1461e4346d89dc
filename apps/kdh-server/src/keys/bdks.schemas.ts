import { z } from 'zod';
import { reasonSchema } from '../http/parameters.ts';
import { mostDevices } from './ksn.ts';

const scheme = z.enum(['AES', 'TDES']).describe('AES DUKPT (X9.24-3) or TDES DUKPT (X9.24-1)');
const algorithm = z.enum(['T2', 'T3', 'A128', 'A192', 'A256']);

const tag = z.string().regex(/^[\x20-\x7e]{1,64}$/, '1 to 64 printable characters');

const segment = z
  .strictObject({
    institution: tag.optional(),
    vendor: tag.optional(),
    model: tag.optional().describe('Terminals of another model get no key of this BDK (`BDK_SEGMENT`)'),
    market: tag.optional(),
  })
  .describe('What the BDK is set apart for (PCI PIN 20-4); as it was made, for good');

const maxDevices = z.number().int().min(1);

export const createBdkSchema = z
  .strictObject({
    name: z.string().regex(/^[\x20-\x7e]{1,64}$/, '1 to 64 printable characters'),
    scheme,
    algorithm,
    bdkId: z
      .string()
      .regex(/^([0-9A-F]{8}|[0-9A-F]{10})$/, '8 hex digits (AES) or 10 (TDES key set id), upper case')
      .optional()
      .describe('AES BDK id or TDES key set id; chosen at random when left out'),
    lmkKeyBlock: z
      .string()
      .regex(
        /^(S[\x20-\x7e]{16,512}|arn:aws[a-z-]*:payment-cryptography:[a-z0-9-]+:[0-9]{12}:key\/[0-9a-zA-Z-]{1,128})$/,
        'an S block, or the ARN of a key in AWS Payment Cryptography',
      )
      .optional()
      .describe(
        'A BDK that the HSM has formed in a ceremony or imported: under its LMK, with AWS the ARN; a new one is generated when left out',
      ),
    segment: segment.default({}),
    maxDevices: maxDevices
      .optional()
      .describe('How many initial keys it may give; at most, and when left out, 99 % of its device numbers'),
  })
  .refine((bdk) => bdk.algorithm.startsWith('A') === (bdk.scheme === 'AES'), {
    message: 'AES DUKPT takes A128, A192 or A256; TDES DUKPT takes T2 or T3',
    path: ['algorithm'],
  })
  .refine((bdk) => !bdk.bdkId || bdk.bdkId.length === (bdk.scheme === 'AES' ? 8 : 10), {
    message: 'AES: 8 hex digits; TDES: 10',
    path: ['bdkId'],
  })
  .refine((bdk) => !bdk.maxDevices || BigInt(bdk.maxDevices) <= mostDevices[bdk.scheme], {
    message: `AES: ${mostDevices.AES} at most; TDES: ${mostDevices.TDES}`,
    path: ['maxDevices'],
  })
  .meta({ id: 'CreateBdk' });
export type CreateBdk = z.infer<typeof createBdkSchema>;

export const changeMaxDevicesSchema = z
  .strictObject({ maxDevices, reason: reasonSchema.shape.reason })
  .meta({ id: 'ChangeMaxDevices' });
export type ChangeMaxDevices = z.infer<typeof changeMaxDevicesSchema>;

export const bdkSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    scheme,
    algorithm,
    bdkId: z.string(),
    kcv: z.string().describe('6 hex digits'),
    state: z
      .enum(['ACTIVE', 'FROZEN', 'DESTROYED'])
      .describe(
        'FROZEN: nothing is derived from it and nothing of it is sent; DESTROYED: its block is erased',
      ),
    nextDevice: z.number().int().describe('The device number that the next KSN will carry'),
    maxDevices: z.number().int().describe('The highest that a KSN may carry'),
    segment,
    createdAt: z.iso.datetime(),
    destructionAskedBy: z.string().nullable().describe('Who wants it destroyed; another person must do it'),
    destroyedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Bdk' });
export type Bdk = z.infer<typeof bdkSchema>;
