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
import {
  areWorthAcknowledging,
  ChainBroken,
  type ChainEnd,
  continueCopy,
  emptyCopy,
  hashOf,
} from './hsm-chain.ts';

/** An HSM with `--audit-limit` stops when too much is not acknowledged: at 5,000 records a second it would be 50,000. */
const INTERVAL_MILLISECONDS = 10_000;

/** An answer with fewer records was the last that there was, or nearly so. */
const CAUGHT_UP_RECORDS = 20;

/** Any constant of ours; held while records are copied, so that two nodes do not copy the same ones. */
const COPY_LOCK = 4_711_016;

/** Answers of the HSM, of some fifty records each, that are kept as one part. */
const ANSWERS_PER_PART = 20;

/** What was copied at a time, and where the copy ends with it. */
interface Copied {
  end: ChainEnd;
  lines: string[];
  /** That the HSM had no more. */
  caughtUp: boolean;
}

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
  private isEnding = false;

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
    this.isEnding = true;
    await this.task.stop();
  }

  /** Copies all that the HSM has written by now, and acknowledges it once it is committed. Fails when the node is stopped meanwhile. */
  async catchUp(): Promise<void> {
    const { serialNumber } = await this.hsm.status();
    let copied: Copied;
    do {
      if (this.isEnding) throw new Error('the node is being stopped');
      copied = await this.copyPart(serialNumber);
      this.unacknowledged ||= areWorthAcknowledging(copied.lines);
    } while (!copied.caughtUp);
    if (!this.unacknowledged || copied.end.seq === 0) return;
    await this.hsm.acknowledgeAuditRecords(copied.end.seq);
    this.unacknowledged = false;
  }

  private copyPart(hsm: string): Promise<Copied> {
    return this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [COPY_LOCK]);
      const end = await endOfCopy(sql, hsm);
      const copied: Copied = { end, lines: [], caughtUp: false };
      try {
        for (let answers = 0; answers < ANSWERS_PER_PART && !copied.caughtUp; answers++) {
          const lines = await this.recordsAfter(copied.end);
          copied.end = continueCopy(copied.end, lines);
          copied.lines.push(...lines);
          copied.caughtUp = lines.length < CAUGHT_UP_RECORDS;
        }
      } catch (error) {
        if (!(error instanceof ChainBroken)) throw error;
        await this.recordBroken(sql, hsm, copied.end, error);
        await insertPart(sql, hsm, end, copied);
        return { end: emptyCopy, lines: [], caughtUp: true };
      }
      await insertPart(sql, hsm, end, copied);
      return copied;
    });
  }

  /** What the HSM has after the last record of the copy, which it must still have: else it, or its log, is another one. */
  private async recordsAfter(end: ChainEnd): Promise<string[]> {
    if (end.seq === 0) return this.hsm.auditRecords(1);
    const [last, ...lines] = await this.hsm.auditRecords(end.seq);
    if (last === undefined || hashOf(last) !== end.hash)
      throw new ChainBroken(`the HSM does not have record ${end.seq} any more, or has another`);
    return lines;
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
  { end, lines }: Copied,
): Promise<void> {
  if (lines.length === 0) return;
  await sql.query(
    'insert into hsm_log_part (hsm, first, last, last_hash, records) values ($1, $2, $3, $4, $5)',
    [hsm, before.seq + 1, end.seq, end.hash, lines.map((line) => `${line}\n`).join('')],
  );
}
