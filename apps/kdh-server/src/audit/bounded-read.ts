import type { Database, Sql } from '../database/database.ts';
import { Problem } from '../http/problem.ts';
import { SEARCH_TIMEOUT_MILLISECONDS } from './search.ts';

/** Reads in one snapshot that can change nothing, and that ends when it takes too long: SEARCH_TOO_WIDE. */
export async function boundedRead<T>(
  database: Database,
  read: (sql: Sql) => Promise<T>,
  timeoutMilliseconds = SEARCH_TIMEOUT_MILLISECONDS,
): Promise<T> {
  try {
    return await database.transaction(async (sql) => {
      await sql.query(
        // What is made of a bounded walk is never worth a compiler; a report of the whole history reads tables as a whole.
        `set transaction isolation level repeatable read, read only; set local jit = off; set local enable_seqscan = on;
         set local statement_timeout = ${timeoutMilliseconds}`,
      );
      return read(sql);
    });
  } catch (error) {
    if ((error as { code?: string }).code !== '57014') throw error; // query_canceled
    throw new Problem(
      422,
      'SEARCH_TOO_WIDE',
      `this takes longer than ${timeoutMilliseconds / 1000} s; name a terminal, a key or a span of time`,
    );
  }
}
