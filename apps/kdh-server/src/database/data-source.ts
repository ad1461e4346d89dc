import { DataSource, type DataSourceOptions } from 'typeorm';
import { Initial1764000000000 } from './migrations/1764000000000-initial.ts';

/** Migrations in order; an explicit list, so that node, jest and the container see the same one. */
export const migrations = [Initial1764000000000];

/** TypeORM runs the migrations; the tables are read and written in SQL (docs/decisions/0002-sql-in-the-server.md). */
export function dataSourceOptions(url: string): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    entities: [],
    migrations,
    migrationsRun: false,
    synchronize: false,
    installExtensions: false,
  };
}

export function openDataSource(url: string): Promise<DataSource> {
  return new DataSource(dataSourceOptions(url)).initialize();
}
