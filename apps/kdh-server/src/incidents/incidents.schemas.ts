import { z } from 'zod';
import { reasonSchema } from '../http/parameters.ts';
import { type IncidentDecision, incidentDecisions, incidentKinds } from './incident.ts';

const decision = z.enum(Object.keys(incidentDecisions) as [IncidentDecision, ...IncidentDecision[]]).describe(
  Object.entries(incidentDecisions)
    .map(([name, effect]) => `${name}: ${effect}`)
    .join('. '),
);

export const listIncidentsSchema = z.strictObject({
  state: z.enum(['OPEN', 'CLOSED']).optional(),
  terminal: z.uuid().optional(),
  after: z.uuid().optional().describe('The last id of the page before'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type ListIncidents = z.infer<typeof listIncidentsSchema>;

export const decideIncidentSchema = z
  .strictObject({ decision, reason: reasonSchema.shape.reason })
  .meta({ id: 'DecideIncident' });
export type DecideIncident = z.infer<typeof decideIncidentSchema>;

export const incidentSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(incidentKinds),
    terminalId: z.uuid().nullable().describe('null: it is about the log'),
    serial: z.string().nullable(),
    attemptId: z.uuid().nullable(),
    detail: z.record(z.string(), z.unknown()),
    openedAt: z.iso.datetime(),
    owner: z.string().nullable().describe('`operator:<name>`, who has taken it; null: nobody has'),
    closedAt: z.iso.datetime().nullable(),
    decision: decision.nullable(),
    decidedBy: z.string().nullable().describe('`operator:<name>`'),
    reason: z.string().nullable(),
    loadId: z.uuid().nullable().describe('The load that LOAD_AGAIN asked for'),
  })
  .meta({ id: 'Incident' });
export type Incident = z.infer<typeof incidentSchema>;
