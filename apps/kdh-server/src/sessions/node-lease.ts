import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnModuleInit,
} from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { closeOrphanedSessions } from './orphaned-sessions.ts';
import { SessionSignals } from './session-signals.ts';

/** A node that has not renewed for this long is gone; by the database's clock, which all nodes share. */
const LEASE_SECONDS = 10;
const RENEW_MILLISECONDS = 2_000;

/**
 * Keeps this node alive in the database. The sweepers close the sessions of nodes that are not (orphaned-sessions.ts);
 * a node that was only too slow finds its sessions closed, can send on none of them any more (dispatch-rules.ts compares
 * epochs), and lets go of their terminals.
 */
@Injectable()
export class NodeLease implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('NodeLease');
  private readonly node: string;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly database: Database,
    private readonly signals: SessionSignals,
  ) {
    this.node = config.KDH_NODE_ID;
  }

  /** Before the first terminal is let in. Sessions that stand under this node's name are of a process that died. */
  async onModuleInit(): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('delete from node where id = $1', [this.node]);
      await closeOrphanedSessions(sql, `node:${this.node}`);
      await this.register(sql);
    });
    this.timer = setInterval(() => void this.renew(), RENEW_MILLISECONDS);
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async renew(): Promise<void> {
    try {
      const renewed = await this.database.query(
        `update node set lease_until = now() + $2 * interval '1 second' where id = $1 returning 1`,
        [this.node, LEASE_SECONDS],
      );
      if (renewed.length === 0) {
        this.logger.warn({
          event: 'node.lease-lost',
          msg: 'another node has closed the sessions of this one',
        });
        await this.register(this.database);
        await this.signals.reconcile();
      }
    } catch (error) {
      this.logger.warn({ event: 'node.lease-not-renewed', msg: (error as Error).message });
    }
  }

  private async register(sql: Sql): Promise<void> {
    await sql.query(
      `insert into node (id, lease_until) values ($1, now() + $2 * interval '1 second')
       on conflict (id) do update set lease_until = excluded.lease_until`,
      [this.node, LEASE_SECONDS],
    );
  }
}
