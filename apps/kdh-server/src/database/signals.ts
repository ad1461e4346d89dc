import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import pg from 'pg';
import { CONFIG, type Config } from '../config/config.ts';
import type { Sql } from './database.ts';

/** What one node tells all nodes, itself among them, and what comes with it. */
export interface Signals {
  /** Attempts became DISPATCHABLE. */
  dispatchable: { attemptId: string; terminalId: string };
  /** Attempts were SENT and no answer came in time: whoever holds the terminal's session asks it. */
  unanswered: { attemptId: string; terminalId: string };
  /** A terminal has a newer session: whoever holds one of a lower epoch lets go of it. */
  superseded: { terminalId: string; epoch: number };
  /** A terminal was revoked or suspended: whoever holds its session closes it. */
  barred: { terminalId: string; code: 'CERT_REVOKED' | 'SUSPENDED' };
}

type Handler<Name extends keyof Signals> = (items: Signals[Name][]) => void;

const CHANNEL = 'openkdh';

/** PostgreSQL takes less than 8000 bytes in one notification; an item of ours has at most about 110. */
const ITEMS_PER_NOTIFICATION = 60;

const RECONNECT_MILLISECONDS = 500;

/** A connection that is down without a word is found out by a question; together well below the 5 s of a revocation. */
const PROBE_MILLISECONDS = 1_500;
const ANSWER_MILLISECONDS = 1_500;

/** Sends a signal with the caller's commit: nobody hears of what is rolled back. */
export async function signal<Name extends keyof Signals>(
  sql: Sql,
  name: Name,
  items: Signals[Name][],
): Promise<void> {
  for (let start = 0; start < items.length; start += ITEMS_PER_NOTIFICATION) {
    const part = items.slice(start, start + ITEMS_PER_NOTIFICATION);
    await sql.query('select pg_notify($1, $2)', [CHANNEL, JSON.stringify({ name, items: part })], 'signal');
  }
}

/**
 * Hears the signals of all nodes on a connection of its own. A signal can be lost while that connection is down; whoever
 * depends on one looks into the database when `onResumed` calls, and at times by itself.
 */
@Injectable()
export class SignalListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Signals');
  private readonly handlers = new Map<keyof Signals, Handler<never>>();
  private readonly resumed: (() => void)[] = [];
  private client: pg.Client | undefined;
  private retry: NodeJS.Timeout | undefined;
  private probe: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(@Inject(CONFIG) private readonly config: Config) {}

  on<Name extends keyof Signals>(name: Name, handler: Handler<Name>): void {
    this.handlers.set(name, handler);
  }

  onResumed(listener: () => void): void {
    this.resumed.push(listener);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.connect();
    this.probe = setInterval(() => this.ask(), PROBE_MILLISECONDS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.probe);
    clearTimeout(this.retry);
    await this.client?.end().catch(() => {});
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.config.KDH_DATABASE_URL,
      application_name: 'kdh-signals',
      connectionTimeoutMillis: ANSWER_MILLISECONDS,
      query_timeout: ANSWER_MILLISECONDS,
    });
    client.on('notification', ({ payload }) => this.dispatch(payload ?? ''));
    client.on('error', () => {}); // 'end' follows
    client.on('end', () => this.reconnect());
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      this.client = client;
      for (const listener of this.resumed) listener();
    } catch (error) {
      this.logger.warn({ event: 'signals.unavailable', msg: (error as Error).message });
      this.reconnect();
    }
  }

  /** Ends a connection that does not answer; its 'end' brings the next one. */
  private ask(): void {
    const { client } = this;
    client?.query('select 1').catch(() => client.end().catch(() => {}));
  }

  private reconnect(): void {
    this.client = undefined;
    if (this.stopping) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.connect(), RECONNECT_MILLISECONDS);
  }

  private dispatch(payload: string): void {
    const { name, items } = JSON.parse(payload) as { name: keyof Signals; items: never[] };
    this.handlers.get(name)?.(items as never);
  }
}
