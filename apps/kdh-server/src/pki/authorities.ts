import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import { fingerprint, type Issuer, issueCertificate, issueRoot, readCertificate } from '@openkdh/pki';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { HSM } from '../hsm/hsm.ts';

/** Who signs what. Each has its own key pair in the HSM; certificates are single-purpose (PCI PIN 19-12). */
export type AuthorityRole = 'root' | 'kdh-ca' | 'terminal-ca' | 'kdh-signing';

export interface Authority {
  certificate: Buffer;
  /** Under the LMK. */
  privateKey: Buffer;
  publicKey: Buffer;
}

/** Any constant of ours; held while the first node sets the PKI up. */
const SETUP_LOCK = 4_711_010;

const COMMON_NAMES: Record<AuthorityRole, string> = {
  root: 'OpenKDH Root CA',
  'kdh-ca': 'OpenKDH KDH CA',
  'terminal-ca': 'OpenKDH Terminal CA',
  'kdh-signing': 'OpenKDH KDH',
};

/**
 * The PKI of this KDH: root, a CA for each role below it, and the KDH's own TR-34 signing certificate. Made in the HSM at
 * first start, by whichever node is first; the private keys exist outside it only under the LMK.
 */
@Injectable()
export class Authorities implements OnModuleInit {
  private readonly logger = new Logger('Authorities');
  private readonly authorities = new Map<AuthorityRole, Authority>();
  private readonly issuers = new Map<AuthorityRole, Issuer>();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HSM) private readonly hsm: Hsm,
    private readonly database: Database,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [SETUP_LOCK]);
      for (const row of await sql.query<Authority & { role: AuthorityRole }>(
        'select role, certificate, private_key as "privateKey", public_key as "publicKey" from authority',
      )) {
        this.authorities.set(row.role, row);
      }
      if (this.authorities.size === 0) await this.setUp(sql);
    });
  }

  get(role: AuthorityRole): Authority {
    const authority = this.authorities.get(role);
    if (!authority) throw new Error(`the PKI has no ${role}; its set-up did not finish`);
    return authority;
  }

  /** A CA that signs in the HSM; its certificate is read once. */
  issuer(role: 'root' | 'kdh-ca' | 'terminal-ca'): Issuer {
    const known = this.issuers.get(role);
    if (known) return known;
    const authority = this.get(role);
    const issuer = { certificate: readCertificate(authority.certificate), signer: this.signer(authority) };
    this.issuers.set(role, issuer);
    return issuer;
  }

  private signer({ publicKey, privateKey }: Pick<Authority, 'publicKey' | 'privateKey'>) {
    return {
      publicKey,
      sign: (tbs: Uint8Array) => this.hsm.sign({ privateKey, data: tbs, hash: 'sha256' }),
    };
  }

  private async setUp(sql: Sql): Promise<void> {
    this.logger.log({
      event: 'pki.setup',
      msg: 'first start: making the CAs and the KDH credential in the HSM',
    });
    const notBefore = new Date(Date.now() - 60_000); // terminals' clocks may be a little behind
    const roles: AuthorityRole[] = ['root', 'kdh-ca', 'terminal-ca', 'kdh-signing'];
    const pairs = await Promise.all(
      roles.map((role) =>
        this.hsm.generateRsaKeyPair({ bits: 2048, use: role === 'kdh-signing' ? 'tr34' : 'signature' }),
      ),
    );
    for (const [index, role] of roles.entries()) {
      const pair = {
        publicKey: Buffer.from(pairs[index]!.publicKey),
        privateKey: Buffer.from(pairs[index]!.privateKey),
      };
      const commonName = COMMON_NAMES[role];
      const certificate =
        role === 'root'
          ? await issueRoot({ signer: this.signer(pair), commonName, notBefore })
          : await issueCertificate(role, {
              issuer: this.issuer(role === 'kdh-signing' ? 'kdh-ca' : 'root'),
              publicKey: pair.publicKey,
              commonName,
              notBefore,
            });
      const authority = { ...pair, certificate: Buffer.from(certificate) };
      await sql.query(
        'insert into authority (role, certificate, private_key, public_key) values ($1, $2, $3, $4)',
        [role, authority.certificate, authority.privateKey, authority.publicKey],
      );
      this.authorities.set(role, authority);
      await appendAuditEvents(sql, [
        {
          type: 'pki.authority-made',
          actor: `node:${this.config.KDH_NODE_ID}`,
          body: { role, fingerprint: fingerprint(certificate), hsm: this.hsm.name },
        },
      ]);
    }
  }
}
