import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database, type Sql } from '../../database/database.ts';
import { HSM } from '../../hsm/hsm.ts';
import { PeriodicTask } from '../../periodic-task.ts';
import { appendAuditEvents } from '../audit-event.ts';
import { areWorthAcknowledging, type ChainBroken, type ChainEnd, emptyCopy } from './hsm-chain.ts';
import { fetchPart, type HsmLogPart } from './hsm-log-part.ts';

/** An HSM with `--audit-limit` stops when too much is not acknowledged: at 5,000 records a second it would be 50,000. */
const INTERVAL_MILLISECONDS = 10_000;

/** Any constant of ours; held while records are copied, so that two nodes do not copy the same ones. */
const COPY_LOCK = 4_711_016;

/**
 * Copies the HSM's own log into the database, record by record as the HSM wrote them, and tells the HSM what is kept. The history
 * anchors the head of that log (hsm-anchors.ts), so an auditor who has both sees every ceremony, every grant and every use of a key
 * (`openkdh audit export --hsm-log`). Records that do not continue the copy are not taken: `hsm.log-broken` tells it once.
 * An HSM without such a log is not asked.
 */
@Injectable()
export class HsmLogCopy implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('HsmLogCopy');
  private readonly task = new PeriodicTask(
    { everyMilliseconds: INTERVAL_MILLISECONDS, logger: this.logger, failureEvent: 'hsm.log-delayed' },
    () => this.catchUp(),
  );

  /** Something was copied that the HSM was not told of; after a start nobody knows. */
  private unacknowledged = true;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HSM) private readonly hsm: Hsm,
    private readonly database: Database,
  ) {}

  onApplicationBootstrap(): void {
    const { capabilities } = this.hsm;
    if (!capabilities.has('audit-log') || !capabilities.has('status')) return;
    this.task.start();
    this.task.wake();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** Copies all that the HSM has written by now, and acknowledges it once it is committed. Fails when the node is stopped meanwhile. */
  async catchUp(): Promise<void> {
    const { serialNumber } = await this.hsm.status();
    let copied: HsmLogPart;
    do {
      if (this.task.stopping) throw new Error('the node is being stopped');
      copied = await this.copyPart(serialNumber);
      this.unacknowledged ||= areWorthAcknowledging(copied.lines);
    } while (!copied.caughtUp && !copied.broken);
    if (!this.unacknowledged || copied.end.seq === 0 || copied.broken) return;
    await this.hsm.acknowledgeAuditRecords(copied.end.seq);
    this.unacknowledged = false;
  }

  private copyPart(hsm: string): Promise<HsmLogPart> {
    return this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [COPY_LOCK]);
      const end = await endOfCopy(sql, hsm);
      const part = await fetchPart(this.hsm, end);
      if (part.broken) await this.recordBroken(sql, hsm, part.end, part.broken);
      await insertPart(sql, hsm, end, part);
      return part;
    });
  }

  private async recordBroken(
    sql: Sql,
    hsm: string,
    { seq }: ChainEnd,
    { message }: ChainBroken,
  ): Promise<void> {
    if ((await this.hsm.status()).serialNumber !== hsm) return; // another HSM answers by now
    this.logger.error({ event: 'hsm.log-broken', hsm, msg: message });
    const body = { hsm, after: seq };
    const [told] = await sql.query(
      `select 1 from audit_event where type collate "C" = 'hsm.log-broken' and body @> $1 limit 1`,
      [JSON.stringify(body)],
    );
    if (told) return;
    const actor = `node:${this.config.KDH_NODE_ID}`;
    await appendAuditEvents(sql, [{ type: 'hsm.log-broken', actor, body }]);
  }
}

async function endOfCopy(sql: Pick<Sql, 'query'>, hsm: string): Promise<ChainEnd> {
  const [part] = await sql.query<{ seq: bigint; hash: string }>(
    'select last as seq, last_hash as hash from hsm_log_part where hsm = $1 order by first desc limit 1',
    [hsm],
  );
  return part ? { seq: Number(part.seq), hash: part.hash } : emptyCopy;
}

async function insertPart(
  sql: Pick<Sql, 'query'>,
  hsm: string,
  before: ChainEnd,
  { end, lines }: HsmLogPart,
): Promise<void> {
  if (lines.length === 0) return;
  await sql.query(
    'insert into hsm_log_part (hsm, first, last, last_hash, records) values ($1, $2, $3, $4, $5)',
    [hsm, before.seq + 1, end.seq, end.hash, lines.map((line) => `${line}\n`).join('')],
  );
}
