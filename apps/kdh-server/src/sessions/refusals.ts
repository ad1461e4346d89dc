import { Inject, Injectable, Logger } from '@nestjs/common';
import { Counter } from 'prom-client';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { RecordingLimit } from '../audit/recording-limit.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { registry } from '../metrics/registry.ts';

const refused = new Counter({
  name: 'kdh_terminals_refused_total',
  help: 'Refusals of connections and messages of terminals by this node, by code of kdh.v1; CONNECTION_LIMIT: cut unheard',
  labelNames: ['code'],
  registers: [registry],
});

export interface Refusal {
  /** A code of `kdh.v1`. */
  code: string;
  detail?: string;
  serial?: string;
  terminalId?: string;
  /** Subject of a certificate that is not whitelisted. */
  subject?: string | undefined;
}

/** Writes refusals of terminals into the history. A refused connection leaves no trace but this. */
@Injectable()
export class Refusals {
  private readonly logger = new Logger('Refusals');
  private readonly limit = new RecordingLimit((count) =>
    this.logger.warn({ event: 'refusals.suppressed', count }),
  );

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
  ) {}

  async record(refusal: Refusal): Promise<void> {
    const { code, detail, serial, terminalId, subject } = refusal;
    refused.inc({ code });
    this.logger.warn({ event: 'terminal.refused', code, serial, subject, msg: detail ?? code });
    if (!this.limit.take()) return;
    try {
      await appendAuditEvents(this.database, [
        {
          type: 'terminal.refused',
          actor: serial ? `terminal:${serial}` : `node:${this.config.KDH_NODE_ID}`,
          terminalId,
          body: { code, ...(detail && { detail }), ...(subject && { subject: subject.slice(0, 200) }) },
        },
      ]);
    } catch (error) {
      this.logger.error({ event: 'audit.unavailable', msg: (error as Error).message });
    }
  }

  /** A connection was cut before anything was known of who made it: counted, and not recorded. */
  noteCut(): void {
    refused.inc({ code: 'CONNECTION_LIMIT' });
    this.limit.suppress();
  }
}
