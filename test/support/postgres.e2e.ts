import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { emptyDatabase, freshDatabase, type TestDatabase } from './postgres.ts';

let databases: TestDatabase[];

beforeAll(async () => {
  databases = await Promise.all([freshDatabase(), freshDatabase(), emptyDatabase()]);
});

afterAll(() => Promise.all(databases.map((database) => database.drop())));

const tablesOf = async (database: TestDatabase): Promise<number> => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const found = await client.query(
      "select count(*)::int as n from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    );
    return found.rows[0].n;
  } finally {
    await client.end();
  }
};

test('two databases asked for at once are two, both migrated; an empty one is empty', async () => {
  const [first, second, empty] = databases as [TestDatabase, TestDatabase, TestDatabase];
  expect(first.url).not.toBe(second.url);
  expect(await tablesOf(first)).toBeGreaterThan(0);
  expect(await tablesOf(second)).toBe(await tablesOf(first));
  expect(await tablesOf(empty)).toBe(0);
});
