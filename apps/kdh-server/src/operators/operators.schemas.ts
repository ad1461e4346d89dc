import { z } from 'zod';

/** An auditor reads the history and does nothing else. */
export const operatorRoles = ['operator', 'auditor'] as const;
export type OperatorRole = (typeof operatorRoles)[number];

const role = z.enum(operatorRoles).describe('An auditor reads the history and changes nothing');

export const createOperatorSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._@-]{0,62}$/u, '1 to 63 letters, digits, spaces and . _ @ -') // a commitment has 64
      .describe('As the history is shown, after `operator:`; nobody else may have it until it is erased'),
    role,
  })
  .meta({ id: 'CreateOperator' });
export type CreateOperator = z.infer<typeof createOperatorSchema>;

const operatorShape = {
  id: z.uuid(),
  name: z.string().nullable().describe('null: erased'),
  role,
  createdAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
};

export const operatorSchema = z.object(operatorShape).meta({ id: 'Operator' });
export type OperatorRecord = z.infer<typeof operatorSchema>;

export const operatorWithTokenSchema = z
  .object({ ...operatorShape, token: z.string().describe('Shown this once') })
  .meta({ id: 'OperatorWithToken' });
export type OperatorWithToken = z.infer<typeof operatorWithTokenSchema>;
