import { z } from 'zod';

const serial = z
  .string()
  .regex(/^[A-Z0-9][A-Z0-9-]{0,31}$/, '1 to 32 of A-Z, 0-9 and hyphen')
  .describe('Serial number, as in the certificates');
const certificationRequest = z.string().min(100).max(10_000).describe('PKCS#10, PEM');

export const enrolTerminalSchema = z
  .strictObject({
    serial,
    model: z.string().regex(/^[\x20-\x7e]{1,64}$/, '1 to 64 printable characters'),
    profileId: z.uuid(),
    csrs: z
      .strictObject({
        tls: certificationRequest,
        encryption: certificationRequest,
        signing: certificationRequest,
      })
      .describe('One key pair for each purpose (PCI PIN 19-12): P-256 for TLS and signing, RSA for TR-34'),
  })
  .meta({ id: 'EnrolTerminal' });
export type EnrolTerminal = z.infer<typeof enrolTerminalSchema>;

const state = z.enum(['ACTIVE', 'SUSPENDED', 'REVOKED']);

export const terminalSchema = z
  .object({
    id: z.uuid(),
    serial: z.string(),
    model: z.string(),
    hardware: z.string().nullable(),
    firmware: z.string().nullable(),
    profileId: z.uuid(),
    state,
    stateReason: z.string().nullable(),
    boundAt: z.iso.datetime().nullable(),
    connected: z.boolean(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Terminal' });
export type Terminal = z.infer<typeof terminalSchema>;

const pem = z.string().describe('PEM');

export const enrolledTerminalSchema = z
  .object({
    id: z.uuid(),
    serial: z.string(),
    state,
    certificates: z.object({ tls: pem, encryption: pem, signing: pem }),
    chain: pem.describe('Terminal CA and root: what stands above the certificates'),
    kdhTrustAnchor: pem.describe('The CA whose KDH certificates the terminal accepts in TR-34'),
    gatewayTrustAnchor: pem.describe('The root above the certificate of the TLS listener'),
  })
  .meta({ id: 'EnrolledTerminal' });
export type EnrolledTerminal = z.infer<typeof enrolledTerminalSchema>;

export const listTerminalsSchema = z.object({
  serial: serial.optional(),
  state: state.optional(),
  after: z.uuid().optional().describe('id of the last terminal of the page before'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export type ListTerminals = z.infer<typeof listTerminalsSchema>;
