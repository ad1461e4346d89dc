import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { CONFIG, type Config } from '../config/config.ts';
import { type FailpointName, failpoint } from '../failpoints.ts';
import { refuseMightyRole, refuseUnmigratedDatabase, refuseUnsafeDatabase } from './boot-checks.ts';
import { openDataSource } from './data-source.ts';

// int8 and int8[] as bigint: pg's defaults are strings.
const INT8_ARRAY = 1016 as typeof pg.types.builtins.INT8; // pg-types has no name for it
const textsOf = pg.types.getTypeParser(INT8_ARRAY) as (text: string) => string[];
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => BigInt(text));
pg.types.setTypeParser(INT8_ARRAY, (text) => textsOf(text).map(BigInt));

/**
 * A connection keeps the plan of a statement of the hot path for as long as it lives. One that was made while the tables were
 * young would read them as a whole, for good: in a transaction, what has an index is found by it.
 */
const BEGIN = 'begin; set local enable_seqscan = off';

/** One connection's view: everything sent through it belongs to the same transaction. */
export interface Sql {
  /** `name`: of a statement of the hot path, which each connection then parses and plans once. */
  query<Row>(text: string, parameters?: unknown[], name?: string): Promise<Row[]>;
  /** Does `action` once what was written is committed, and never if it is not: for logs and wake-ups. */
  afterCommit(action: () => void): void;
  /** Names the commit of this transaction, for tests that crash there. */
  commitsAs(name: FailpointName): void;
}

/**
 * PostgreSQL, the truth. SQL is written by hand and typed where it is read; TypeORM brings the migrations and the
 * connection pool. `transaction` commits or rolls back as a whole; a lost connection during commit leaves the outcome
 * unknown, so callers re-read by id and never assume.
 *
 * Rows are locked in one order, so that no two transactions wait for each other: incident, terminal, session, attempt,
 * BDK; those of one kind by their ids.
 */
@Injectable()
export class Database implements Sql, OnApplicationShutdown {
  private constructor(
    private readonly source: DataSource,
    private readonly pool: pg.Pool,
  ) {}

  static async open(@Inject(CONFIG) config: Config): Promise<Database> {
    const source = await openDataSource(config.KDH_DATABASE_URL, config.KDH_DATABASE_CONNECTIONS);
    const pool = (source.driver as unknown as { master: pg.Pool }).master;
    const database = new Database(source, pool);
    try {
      await refuseUnsafeDatabase(database);
      await refuseUnmigratedDatabase(database);
      await refuseMightyRole(database);
    } catch (error) {
      await source.destroy();
      throw error;
    }
    return database;
  }

  async query<Row>(text: string, values: unknown[] = [], name?: string): Promise<Row[]> {
    return (await this.pool.query({ text, values, name })).rows as Row[];
  }

  afterCommit(action: () => void): void {
    action(); // outside a transaction every statement has committed when it returns
  }

  commitsAs(): void {} // statements outside a transaction have no commit of their own to crash at

  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // A connection that dies while it is ours tells so by an event as well; without a listener that ends the process.
    const died = (error: Error) => {
      broken = error;
    };
    client.on('error', died);
    const committed: (() => void)[] = [];
    let name: FailpointName | undefined;
    try {
      await client.query(BEGIN);
      const result = await work({
        query: async <Row>(text: string, values: unknown[] = [], name?: string) =>
          (await client.query({ text, values, name })).rows as Row[],
        afterCommit: (action) => committed.push(action),
        commitsAs: (commit) => {
          name = commit;
        },
      });
      const commit = () => client.query('commit');
      await (name ? failpoint(name, commit) : commit());
      for (const action of committed) action();
      return result;
    } catch (error) {
      await client.query('rollback').catch((rollback: Error) => {
        broken = rollback; // the connection is gone; the server rolls back by itself
      });
      throw error;
    } finally {
      client.off('error', died);
      client.release(broken);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.source.destroy();
  }
}
