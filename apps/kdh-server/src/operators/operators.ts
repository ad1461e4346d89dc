import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { RecordingLimit } from '../audit/recording-limit.ts';
import { readFamiliesOf } from '../audit/retention/key-families.ts';
import { keepUntil, mayGo } from '../audit/retention/retention.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import type { CreateOperator, OperatorRecord, OperatorRole, OperatorWithToken } from './operators.schemas.ts';
import { actorOf, eraseName, keepName } from './person-names.ts';

export interface Operator {
  id: string;
  role: OperatorRole;
  /** How the operator stands in the history, and wherever it is recorded who did something: see person-names.ts. */
  actor: string;
}

const RECORDS = `select o.id, p.name, o.role, o.created_at as "createdAt", o.revoked_at as "revokedAt"
  from operator o left join person_name p on p.commitment = o.commitment`;

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
      const { operator } = await insertOperator(sql, { name: 'operator', role: 'operator' }, token);
      await appendAuditEvents(sql, [
        { type: 'operator.made', actor: `node:${this.config.KDH_NODE_ID}`, body: { operator } },
      ]);
      this.keep(token);
    });
  }

  /** The operator of a token; `undefined` for one that is unknown or revoked. */
  async findByToken(token: string): Promise<Operator | undefined> {
    const [found] = await this.database.query<OperatorRow>(
      'select id, role, commitment from operator where token_sha256 = $1 and revoked_at is null',
      [sha256(token)],
    );
    return found && { id: found.id, role: found.role, actor: actorOf(found.commitment) };
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
    const actor = operator?.actor ?? `node:${this.config.KDH_NODE_ID}`;
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
        const { id, operator } = await insertOperator(sql, { name, role }, token);
        const body = { operator, role };
        await appendAuditEvents(sql, [{ type: 'operator.made', actor: by.actor, body }]);
        return { ...(await read(sql, id)), token };
      });
    } catch (error) {
      if (!violates(error, 'person_name_once')) throw error;
      throw new Problem(409, 'OPERATOR_NAME_TAKEN', 'people are told apart by this name; choose another');
    }
  }

  list(): Promise<OperatorRecord[]> {
    return this.database.query<OperatorRecord>(`${RECORDS} order by o.id`);
  }

  /** From now on the token opens nothing. Whoever could not be replaced stays: somebody must be able to make the next one. */
  async revoke(id: string, reason: string, by: Operator): Promise<OperatorRecord> {
    return this.database.transaction(async (sql) => {
      const active = await sql.query<OperatorRow>(
        'select id, role, commitment from operator where revoked_at is null order by id for update',
      );
      const found = active.find((operator) => operator.id === id);
      if (!found) throw new Problem(404, 'OPERATOR_UNKNOWN', 'nobody with a valid token has this id');
      const others = active.filter((operator) => operator.role === 'operator' && operator.id !== id);
      if (others.length === 0) throw new Problem(409, 'OPERATOR_LAST', 'make another operator first');
      await sql.query('update operator set revoked_at = now() where id = $1', [id]);
      const body = { operator: actorOf(found.commitment), role: found.role, reason };
      await appendAuditEvents(sql, [{ type: 'operator.revoked', actor: by.actor, body }]);
      return read(sql, id);
    });
  }

  /** The history keeps all that the operator did, and by a commitment that all of it was one person, but not who. */
  async eraseName(id: string, reason: string, by: Operator): Promise<OperatorRecord> {
    return this.database.transaction(async (sql) => {
      const [found] = await sql.query<OperatorRow & { isRevoked: boolean }>(
        'select id, role, commitment, revoked_at is not null as "isRevoked" from operator where id = $1 for update',
        [id],
      );
      if (!found) throw new Problem(404, 'OPERATOR_UNKNOWN', 'nobody has this id');
      if (!found.isRevoked) throw new Problem(409, 'OPERATOR_ACTIVE', 'revoke the operator first');
      const families = await readFamiliesOf(sql, actorOf(found.commitment));
      const until = keepUntil(families, this.config.KDH_RETENTION_DAYS);
      if (!mayGo(until, new Date())) throw new Problem(409, 'OPERATOR_NAME_KEPT', whyKept(until));
      if (!(await eraseName(sql, found.commitment)))
        throw new Problem(409, 'OPERATOR_NAME_ERASED', 'the name was erased before');
      const body = { operator: actorOf(found.commitment), reason };
      await appendAuditEvents(sql, [{ type: 'operator.name-erased', actor: by.actor, body }]);
      return read(sql, id);
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

interface OperatorRow {
  id: string;
  role: OperatorRole;
  commitment: string;
}

async function insertOperator(
  sql: Sql,
  { name, role }: CreateOperator,
  token: string,
): Promise<{ id: string; operator: string }> {
  const commitment = await keepName(sql, name);
  const id = uuidv7();
  await sql.query('insert into operator (id, commitment, role, token_sha256) values ($1, $2, $3, $4)', [
    id,
    commitment,
    role,
    sha256(token),
  ]);
  return { id, operator: actorOf(commitment) };
}

async function read(sql: Sql, id: string): Promise<OperatorRecord> {
  const [record] = await sql.query<OperatorRecord>(`${RECORDS} where o.id = $1`, [id]);
  return record as OperatorRecord;
}

function whyKept(until: Date | null): string {
  const keys = 'the records of keys that this person has dealt with must be kept, names included';
  return until ? `${keys}, until ${until.toISOString()}` : `${keys}, as long as these keys exist and beyond`;
}

function sha256(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
