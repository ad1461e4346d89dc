import type { X509Certificate } from 'node:crypto';
import { type ProtocolErrorCode, protocolCodes } from '@openkdh/terminal-protocol';

/** What is known of a client that asks for an upgrade. */
export interface UpgradeRequest {
  path: string;
  subprotocols: string[];
  /** The certificate whose private key the client proved to hold in the TLS handshake. */
  certificate: X509Certificate | undefined;
}

/** Why a certificate is not one of a terminal's TLS certificates; `undefined` when it is. */
export type CertificateCheck = (certificate: X509Certificate) => ProtocolErrorCode | undefined;

/** The whitelist entry of a certificate. */
export interface KnownTerminal {
  terminalId: string;
  serial: string;
  state: 'ACTIVE' | 'SUSPENDED' | 'REVOKED';
  certificateRevoked: boolean;
}

/** A refusal before there is a WebSocket: an HTTP status with a problem document. */
export class UpgradeRefusal extends Error {
  readonly status: number;
  readonly number: number;
  constructor(readonly code: ProtocolErrorCode) {
    const row: { number: number; meaning: string; httpStatus?: number } = protocolCodes[code];
    super(row.meaning);
    this.name = 'UpgradeRefusal';
    this.number = row.number;
    this.status = row.httpStatus ?? 500;
  }
}

/** What needs no database, in order: path, subprotocol, certificate, its chain, validity and purpose. */
export function checkRequest(
  request: UpgradeRequest,
  expected: { path: string; subprotocol: string },
  checkCertificate: CertificateCheck,
): X509Certificate {
  if (request.path !== expected.path) throw new UpgradeRefusal('UNKNOWN_PATH');
  if (!request.subprotocols.includes(expected.subprotocol)) throw new UpgradeRefusal('SUBPROTOCOL_REQUIRED');
  if (!request.certificate) throw new UpgradeRefusal('CERT_REQUIRED');
  const refusal = checkCertificate(request.certificate);
  if (refusal) throw new UpgradeRefusal(refusal);
  return request.certificate;
}

/** The whitelist, revocation and suspension (PCI PIN 15-3): checked here, at HELLO, and again at each load. */
export function checkWhitelist(known: KnownTerminal | undefined): KnownTerminal {
  if (!known) throw new UpgradeRefusal('NOT_WHITELISTED');
  if (known.certificateRevoked || known.state === 'REVOKED') throw new UpgradeRefusal('CERT_REVOKED');
  if (known.state === 'SUSPENDED') throw new UpgradeRefusal('SUSPENDED');
  return known;
}
