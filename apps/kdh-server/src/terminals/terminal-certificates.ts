import type { X509Certificate } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type CertificateRefusal, certificatePem, checkCertificate, fingerprint } from '@openkdh/pki';
import type { ProtocolErrorCode } from '@openkdh/terminal-protocol';
import { Database } from '../database/database.ts';
import { GroupCommit } from '../database/group-commit.ts';
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
  /** Terminals that come back together share a look at the whitelist. */
  private readonly lookups = new GroupCommit<string, KnownTerminal | undefined>((prints) =>
    this.readWhitelist(prints),
  );

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
  checkTls(certificate: X509Certificate): ProtocolErrorCode | undefined {
    const check = checkCertificate(certificate, {
      issuers: [],
      anchors: [this.authorities.issuer('terminal-ca').certificate],
      at: new Date(),
      purpose: 'tls-client',
    });
    return check.ok ? undefined : CODES[check.reason];
  }

  async findByTlsCertificate(
    certificate: X509Certificate,
  ): Promise<{ known: KnownTerminal | undefined; fingerprint: string }> {
    const print = fingerprint(certificate);
    return { known: await this.lookups.add(print), fingerprint: print };
  }

  private async readWhitelist(prints: string[]): Promise<(KnownTerminal | undefined)[]> {
    const rows = await this.database.query<KnownTerminal & { fingerprint: string }>(
      `select c.fingerprint, t.id as "terminalId", t.serial, t.state,
         c.revoked_at is not null as "certificateRevoked"
       from terminal_certificate c join terminal t on t.id = c.terminal_id
       where c.fingerprint = any($1::text[]) and c.purpose = 'TLS'`,
      [prints],
      'read-whitelist',
    );
    const known = new Map(rows.map(({ fingerprint, ...terminal }) => [fingerprint, terminal]));
    return prints.map((print) => known.get(print));
  }
}
