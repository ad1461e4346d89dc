import { Injectable } from '@nestjs/common';
import { type CertificateRefusal, certificatePem, checkCertificate, fingerprint } from '@openkdh/pki';
import type { ProtocolErrorCode } from '@openkdh/terminal-protocol';
import { Database } from '../database/database.ts';
import { Authorities } from '../pki/authorities.ts';
import type { KnownTerminal } from '../sessions/admission.ts';

const CODES: Record<CertificateRefusal, ProtocolErrorCode> = {
  UNTRUSTED: 'CERT_UNTRUSTED',
  EXPIRED: 'CERT_EXPIRED',
  NOT_YET_VALID: 'CERT_EXPIRED',
  REVOKED: 'CERT_REVOKED',
  WRONG_PURPOSE: 'WRONG_PURPOSE_CERT',
  CRL_STALE: 'CERT_UNTRUSTED',
};

/** Certificates of terminals, judged by the Terminal CA and by the whitelist in the database. */
@Injectable()
export class TerminalCertificates {
  constructor(
    private readonly authorities: Authorities,
    private readonly database: Database,
  ) {}

  /** The CAs that a TLS client certificate may come from, PEM. */
  issuersPem(): string[] {
    return (['terminal-ca', 'root'] as const).map((role) =>
      certificatePem(this.authorities.get(role).certificate),
    );
  }

  /** Why this is not a TLS certificate of our Terminal CA; the whitelist decides on the rest. */
  checkTls(certificate: Uint8Array): ProtocolErrorCode | undefined {
    const check = checkCertificate(certificate, {
      issuers: [],
      anchors: [this.authorities.issuer('terminal-ca').certificate],
      at: new Date(),
      purpose: 'tls-client',
    });
    return check.ok ? undefined : CODES[check.reason];
  }

  async findByTlsCertificate(
    certificate: Uint8Array,
  ): Promise<{ known: KnownTerminal | undefined; fingerprint: string }> {
    const print = fingerprint(certificate);
    const [known] = await this.database.query<KnownTerminal>(
      `select t.id as "terminalId", t.serial, t.state, c.revoked_at is not null as "certificateRevoked"
       from terminal_certificate c join terminal t on t.id = c.terminal_id
       where c.fingerprint = $1 and c.purpose = 'TLS'`,
      [print],
    );
    return { known, fingerprint: print };
  }
}
