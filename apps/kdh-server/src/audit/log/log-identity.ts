import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import { formatVerifierKey, type NoteSigner, type VerifierKey, verifierKey } from '@openkdh/transparency-log';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database } from '../../database/database.ts';
import { HSM } from '../../hsm/hsm.ts';
import { appendAuditEvents } from '../audit-event.ts';

interface Identity {
  origin: string;
  publicKey: Buffer;
  /** Under the LMK. */
  privateKey: Buffer;
}

/** Any constant of ours; held while the identity is made. */
const IDENTITY_LOCK = 4_711_013;

/** The name of this KDH's log and the key that signs its checkpoints, ECDSA P-256 in the HSM. */
@Injectable()
export class LogIdentity implements OnModuleInit {
  private identity: Identity | undefined;
  private key: VerifierKey | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HSM) private readonly hsm: Hsm,
    private readonly database: Database,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [IDENTITY_LOCK]);
      const [kept] = await sql.query<Identity>(
        'select origin, public_key as "publicKey", private_key as "privateKey" from log_identity',
      );
      this.identity = kept;
      if (kept) return;
      const pair = await this.hsm.generateEcKeyPair();
      const made: Identity = {
        origin: `kdh.local.${randomBytes(4).toString('hex')}`,
        publicKey: Buffer.from(pair.publicKey),
        privateKey: Buffer.from(pair.privateKey),
      };
      this.identity = made;
      await sql.query('insert into log_identity (origin, public_key, private_key) values ($1, $2, $3)', [
        made.origin,
        made.publicKey,
        made.privateKey,
      ]);
      await appendAuditEvents(sql, [
        {
          type: 'log.started',
          actor: `node:${this.config.KDH_NODE_ID}`,
          body: { origin: made.origin, key: formatVerifierKey(keyOf(made)) },
        },
      ]);
    });
    this.key = keyOf(this.identity as Identity);
  }

  get origin(): string {
    return (this.identity as Identity).origin;
  }

  /** What an auditor must know and keep: `name+hash+base64` (C2SP signed-note). */
  get verifierKeyText(): string {
    return formatVerifierKey(this.key as VerifierKey);
  }

  get signer(): NoteSigner {
    const { privateKey } = this.identity as Identity;
    return {
      key: this.key as VerifierKey,
      sign: (data) => this.hsm.sign({ privateKey, data, hash: 'sha256', algorithm: 'EC' }),
    };
  }
}

function keyOf({ origin, publicKey }: Identity): VerifierKey {
  return verifierKey(origin, 'ecdsa-sha256', publicKey);
}
