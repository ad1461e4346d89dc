import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { type ProtocolErrorCode, protocolCodes } from '@openkdh/terminal-protocol';
import { Database } from '../database/database.ts';
import { SignalListener } from '../database/signals.ts';
import { type LiveSession, SessionRegistry } from './session-registry.ts';

/** Sessions that end only because the node is in trouble come back spread over this time. */
const RETRY_SPREAD_MILLISECONDS = 10_000;

/** Ends sessions of this node because of what was decided on any node. */
@Injectable()
export class SessionSignals implements OnModuleInit {
  private readonly logger = new Logger('Sessions');

  constructor(
    private readonly database: Database,
    private readonly signals: SignalListener,
    private readonly sessions: SessionRegistry,
  ) {}

  onModuleInit(): void {
    this.signals.on('barred', (items) => {
      for (const { terminalId, code } of items) end(this.sessions.get(terminalId), code);
    });
    this.signals.on('superseded', (items) => {
      for (const { terminalId, epoch } of items) {
        const session = this.sessions.get(terminalId);
        if (session && session.epoch < BigInt(epoch)) end(session, 'SUPERSEDED_SESSION');
      }
    });
    this.signals.onResumed(() => {
      this.reconcile().catch((error: Error) =>
        this.logger.warn({ event: 'sessions.not-reconciled', msg: error.message }),
      );
    });
  }

  /** Ends the sessions of this node that the database no longer knows, or not as open, or of barred terminals. */
  async reconcile(): Promise<void> {
    const live = [...this.sessions.all()];
    if (live.length === 0) return;
    const ended = await this.database.query<{ terminalId: string; code: ProtocolErrorCode }>(
      `select l.terminal_id as "terminalId",
         case when t.state = 'REVOKED' then 'CERT_REVOKED' when t.state = 'SUSPENDED' then 'SUSPENDED'
           when s.epoch > l.epoch then 'SUPERSEDED_SESSION' else 'BUSY' end as code
       from unnest($1::uuid[], $2::bigint[]) as l(terminal_id, epoch)
         join terminal t on t.id = l.terminal_id join terminal_session s on s.terminal_id = l.terminal_id
       where t.state <> 'ACTIVE' or s.epoch > l.epoch or s.closed_at is not null`,
      [live.map((session) => session.terminalId), live.map((session) => session.epoch)],
    );
    const byTerminal = new Map(live.map((session) => [session.terminalId, session]));
    for (const { terminalId, code } of ended) end(byTerminal.get(terminalId), code);
  }
}

function end(session: LiveSession | undefined, code: ProtocolErrorCode): void {
  const { number, closeCode } = protocolCodes[code];
  session?.kick(
    number,
    closeCode,
    code === 'BUSY' ? Math.floor(Math.random() * RETRY_SPREAD_MILLISECONDS) : 0,
  );
}
