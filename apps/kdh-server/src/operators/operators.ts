import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { RecordingLimit } from '../audit/recording-limit.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import type { CreateOperator, OperatorRecord, OperatorRole, OperatorWithToken } from './operators.schemas.ts';

export interface Operator {
  id: string;
  name: string;
  role: OperatorRole;
}

const COLUMNS = 'id, name, role, created_at as "createdAt", revoked_at as "revokedAt"';

/** Any constant of ours; held while the first operator is made. */
const FIRST_OPERATOR_LOCK = 4_711_012;

/** Who may use the REST API. A token is kept as its SHA-256; it has 256 random bits, so no slow hash is needed. */
@Injectable()
export class Operators implements OnModuleInit {
  private readonly logger = new Logger('Operators');
  private readonly refusals = new RecordingLimit((count) =>
    this.logger.warn({ event: 'refusals.suppressed', count }),
  );

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

  /**
   * Who was refused, and what they asked for; of a token nothing. Recorded before the answer leaves, and that it cannot be is
   * no reason to answer otherwise.
   */
  async recordRefusal(
    code: 'TOKEN_REQUIRED' | 'ROLE_FORBIDDEN',
    request: { method: string; path: string; ip?: string | undefined },
    operator?: Operator,
  ): Promise<void> {
    if (!this.refusals.take()) return;
    const { method, path, ip } = request;
    const actor = operator ? `operator:${operator.name}` : `node:${this.config.KDH_NODE_ID}`;
    const body = { code, method, path: path.slice(0, 200), ...(ip && { address: ip }) };
    try {
      await appendAuditEvents(this.database, [{ type: 'operator.refused', actor, body }]);
    } catch (error) {
      this.logger.error({ event: 'audit.unavailable', msg: (error as Error).message });
    }
  }

  /** A further operator or auditor. The token is shown this once: only its hash is kept. */
  async make({ name, role }: CreateOperator, by: Operator): Promise<OperatorWithToken> {
    const token = randomBytes(32).toString('base64url');
    try {
      return await this.database.transaction(async (sql) => {
        const [made] = await sql.query<OperatorRecord>(
          `insert into operator (id, name, role, token_sha256) values ($1, $2, $3, $4) returning ${COLUMNS}`,
          [uuidv7(), name, role, sha256(token)],
        );
        const body = { operator: name, role };
        await appendAuditEvents(sql, [{ type: 'operator.made', actor: `operator:${by.name}`, body }]);
        return { ...(made as OperatorRecord), token };
      });
    } catch (error) {
      if (!violates(error, 'operator_name')) throw error;
      throw new Problem(
        409,
        'OPERATOR_NAME_TAKEN',
        'the history tells people apart by this name; choose another',
      );
    }
  }

  list(): Promise<OperatorRecord[]> {
    return this.database.query<OperatorRecord>(`select ${COLUMNS} from operator order by id`);
  }

  /** From now on the token opens nothing. Whoever could not be replaced stays: somebody must be able to make the next one. */
  async revoke(id: string, reason: string, by: Operator): Promise<OperatorRecord> {
    return this.database.transaction(async (sql) => {
      const active = await sql.query<Operator>(
        'select id, name, role from operator where revoked_at is null order by id for update',
      );
      const found = active.find((operator) => operator.id === id);
      if (!found) throw new Problem(404, 'OPERATOR_UNKNOWN', 'nobody with a valid token has this id');
      const others = active.filter((operator) => operator.role === 'operator' && operator.id !== id);
      if (others.length === 0) throw new Problem(409, 'OPERATOR_LAST', 'make another operator first');
      const [revoked] = await sql.query<OperatorRecord>(
        `update operator set revoked_at = now() where id = $1 returning ${COLUMNS}`,
        [id],
      );
      const body = { operator: found.name, role: found.role, reason };
      await appendAuditEvents(sql, [{ type: 'operator.revoked', actor: `operator:${by.name}`, body }]);
      return revoked as OperatorRecord;
    });
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
