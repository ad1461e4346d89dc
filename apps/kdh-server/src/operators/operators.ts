import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';

/** An auditor reads the history and does nothing else (facts/pci.md section 3). */
export const operatorRoles = ['operator', 'auditor'] as const;
export type OperatorRole = (typeof operatorRoles)[number];

export interface Operator {
  id: string;
  name: string;
  role: OperatorRole;
}

/** Any constant of ours; held while the first operator is made. */
const FIRST_OPERATOR_LOCK = 4_711_012;

/** Who may use the REST API. A token is kept as its SHA-256; it has 256 random bits, so no slow hash is needed. */
@Injectable()
export class Operators implements OnModuleInit {
  private readonly logger = new Logger('Operators');

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
  ) {}

  /** At the very first start: one operator, whose token is written to a file that only this user can read. */
  async onModuleInit(): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [FIRST_OPERATOR_LOCK]);
      const [{ exists }] = (await sql.query('select exists (select 1 from operator)')) as [
        { exists: boolean },
      ];
      if (exists) return;
      const token = randomBytes(32).toString('base64url');
      const operator = { id: uuidv7(), name: 'operator' }; // the role that the column has by default
      await sql.query('insert into operator (id, name, token_sha256) values ($1, $2, $3)', [
        operator.id,
        operator.name,
        sha256(token),
      ]);
      await appendAuditEvents(sql, [
        {
          type: 'operator.made',
          actor: `node:${this.config.KDH_NODE_ID}`,
          body: { operator: operator.name },
        },
      ]);
      this.keep(token);
    });
  }

  /** The operator of a token; `undefined` for one that is unknown or revoked. */
  async findByToken(token: string): Promise<Operator | undefined> {
    const [operator] = await this.database.query<Operator>(
      'select id, name, role from operator where token_sha256 = $1 and revoked_at is null',
      [sha256(token)],
    );
    return operator;
  }

  private keep(token: string): void {
    const file = join(this.config.KDH_STATE_DIR, 'operator-token');
    mkdirSync(this.config.KDH_STATE_DIR, { recursive: true, mode: 0o700 });
    if (existsSync(file))
      this.logger.warn({
        event: 'operator.token-replaced',
        msg: `the token in ${file} was of another database`,
      });
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    this.logger.log({ event: 'operator.made', msg: `the first operator's token is in ${file}` });
  }
}

function sha256(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
