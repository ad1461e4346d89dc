import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database } from '../../database/database.ts';
import { HSM } from '../../hsm/hsm.ts';
import { PeriodicTask } from '../../periodic-task.ts';
import { appendAuditEvents } from '../audit-event.ts';
import { UNUSUAL } from '../events-search.ts';
import { HsmLogCopy } from '../hsm-log/hsm-log-copy.ts';
import { type AuditHead, auditHead } from './audit-head.ts';

/** How often is asked; docs/audit-log.md, "Rules", rule 8, reads two anchors back, so they must not come closer. */
const INTERVAL_MILLISECONDS = 60_000;

/** Any constant of ours; held while an anchor is written, so that the nodes do not each write one. */
export const ANCHOR_LOCK = 4_711_014;

/** Body of `hsm.anchored`. */
type Anchor = {
  hsm: string;
  /** How many operations have released a key. */
  operations: number;
  /** The last record of the HSM's own log; absent where the HSM does not give it. */
  log?: AuditHead;
};

/**
 * Writes into the history what the HSM says of itself: its count of released keys, and the head of its own log. Whoever
 * verifies the history sees whether the HSM released more keys than were announced here, and whether it or its log was
 * replaced by an older one. An HSM without a counter is not anchored.
 */
@Injectable()
export class HsmAnchors implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('HsmAnchors');
  private readonly task = new PeriodicTask(
    { everyMilliseconds: INTERVAL_MILLISECONDS, logger: this.logger, failureEvent: 'hsm.anchor-delayed' },
    () => this.anchor(),
  );

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HSM) private readonly hsm: Hsm,
    private readonly copy: HsmLogCopy,
    private readonly database: Database,
  ) {}

  onApplicationBootstrap(): void {
    const { capabilities } = this.hsm;
    if (!capabilities.has('operation-count') || !capabilities.has('status')) return;
    this.task.start();
    this.task.wake();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** Nothing is written while nothing has changed, or less than an interval after the anchor before. */
  private async anchor(): Promise<void> {
    const { serialNumber } = await this.hsm.status();
    await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [ANCHOR_LOCK]);
      const [last] = await sql.query<{ body: Anchor; recent: boolean }>(
        `select body, time > clock_timestamp() - $2 * interval '1 millisecond' as recent from audit_event
         where type collate "C" = 'hsm.anchored' and ${UNUSUAL} and body ->> 'hsm' = $1 order by time desc limit 1`,
        [serialNumber, INTERVAL_MILLISECONDS],
      );
      if (last?.recent) return;
      const anchor = await this.read(serialNumber, last?.body);
      if (anchor === undefined || isSame(anchor, last?.body)) return;
      if (anchor.log) await this.copy.catchUp(); // no head is anchored whose record nobody has
      await appendAuditEvents(sql, [
        { type: 'hsm.anchored', actor: `node:${this.config.KDH_NODE_ID}`, body: anchor },
      ]);
    });
  }

  private async read(hsm: string, last: Anchor | undefined): Promise<Anchor | undefined> {
    const operations = await this.hsm.operationCount();
    if (operations === undefined) return undefined;
    const anchor: Anchor = { hsm, operations: Number(operations) };
    if (!this.hsm.capabilities.has('audit-log')) return anchor;
    const log = await auditHead((fromSeq) => this.hsm.auditRecords(fromSeq), last?.log);
    return log ? { ...anchor, log } : anchor;
  }
}

function isSame(anchor: Anchor, last: Anchor | undefined): boolean {
  return anchor.operations === last?.operations && anchor.log?.hash === last.log?.hash;
}
