import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { fingerprint, issueCrl } from '@openkdh/pki';
import { buildKdhCredentialToken } from '@openkdh/tr34/tokens';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { Authorities } from './authorities.ts';

/** What the KDH shows and signs with in TR-34. */
export interface Credential {
  /** DER. */
  certificate: Buffer;
  /** Under the LMK. */
  privateKey: Buffer;
  /** CRL of the KDH CA, DER; terminals refuse a stale one. */
  crl: Buffer;
  fingerprint: string;
}

const CRL_VALID_DAYS = 7;

/** The CRL is made anew when less than this is left of it, so that a token is good for long enough on its way. */
const CRL_RENEW_DAYS = 3;
const RENEWAL_CHECK_MILLISECONDS = 3_600_000;
const CRL_LOCK = 4_711_011;

/** The KDH's TR-34 credential with a fresh CRL. */
@Injectable()
export class KdhCredential implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('KdhCredential');
  private credential: Credential | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly authorities: Authorities,
    private readonly database: Database,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.refreshCrl();
    this.timer = setInterval(() => {
      this.refreshCrl().catch((error: Error) =>
        this.logger.error({ event: 'crl.not-renewed', msg: error.message }),
      );
    }, RENEWAL_CHECK_MILLISECONDS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  current(): Credential {
    return this.credential as Credential;
  }

  /** CT_KDH: the certificate with the CRL, which the terminal checks before it binds. */
  credentialToken(): Uint8Array {
    const { certificate, crl } = this.current();
    return buildKdhCredentialToken(certificate, crl);
  }

  private refreshCrl(): Promise<void> {
    return this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [CRL_LOCK]);
      const [current] = await sql.query<{ number: bigint; crl: Buffer; fresh: boolean }>(
        `select number, crl, next_update > now() + $1 * interval '1 day' as fresh
         from revocation_list where issuer = 'kdh-ca'`,
        [CRL_RENEW_DAYS],
      );
      if (current?.fresh) {
        this.show(current.crl);
        return;
      }
      const number = Number(current?.number ?? 0n) + 1;
      const thisUpdate = new Date(Date.now() - 60_000);
      const nextUpdate = new Date(thisUpdate.getTime() + CRL_VALID_DAYS * 86_400_000);
      const crl = Buffer.from(
        await issueCrl({
          issuer: this.authorities.issuer('kdh-ca'),
          number,
          thisUpdate,
          nextUpdate,
          revoked: [],
        }),
      );
      await sql.query(
        `insert into revocation_list (issuer, number, crl, this_update, next_update) values ('kdh-ca', $1, $2, $3, $4)
         on conflict (issuer) do update set number = excluded.number, crl = excluded.crl,
           this_update = excluded.this_update, next_update = excluded.next_update`,
        [number, crl, thisUpdate, nextUpdate],
      );
      await appendAuditEvents(sql, [
        {
          type: 'pki.crl-issued',
          actor: `node:${this.config.KDH_NODE_ID}`,
          body: { issuer: 'kdh-ca', number },
        },
      ]);
      this.show(crl);
    });
  }

  private show(crl: Buffer): void {
    const { certificate, privateKey } = this.authorities.get('kdh-signing');
    this.credential = { certificate, privateKey, crl, fingerprint: fingerprint(certificate) };
  }
}
