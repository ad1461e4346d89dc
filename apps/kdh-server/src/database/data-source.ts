import { DataSource } from 'typeorm';
import { Initial1764000000000 } from './migrations/1764000000000-initial.ts';
import { TransparencyLog1764100000000 } from './migrations/1764100000000-transparency-log.ts';
import { NodeLease1764200000000 } from './migrations/1764200000000-node-lease.ts';
import { BdkPolicy1764400000000 } from './migrations/1764400000000-bdk-policy.ts';
import { IncidentDecisions1764410000000 } from './migrations/1764410000000-incident-decisions.ts';
import { Witnesses1764500000000 } from './migrations/1764500000000-witnesses.ts';
import { AuditorSearches1764600000000 } from './migrations/1764600000000-auditor-searches.ts';
import { OperatorNames1764610000000 } from './migrations/1764610000000-operator-names.ts';
import { RecordLookups1764620000000 } from './migrations/1764620000000-record-lookups.ts';
import { KsnWithItsBdk1764630000000 } from './migrations/1764630000000-ksn-with-its-bdk.ts';
import { HotRows1764800000000 } from './migrations/1764800000000-hot-rows.ts';
import { UnsealedGroups1764810000000 } from './migrations/1764810000000-unsealed-groups.ts';
import { VacuumPace1764820000000 } from './migrations/1764820000000-vacuum-pace.ts';
import { PersonNames1764900000000 } from './migrations/1764900000000-person-names.ts';
import { LogArchive1765000000000 } from './migrations/1765000000000-log-archive.ts';
import { CompactAttempts1766000000000 } from './migrations/1766000000000-compact-attempts.ts';
import { SearchCovering1766100000000 } from './migrations/1766100000000-search-covering.ts';
import { BurnedKeys1766110000000 } from './migrations/1766110000000-burned-keys.ts';
import { OperatorSessions1766200000000 } from './migrations/1766200000000-operator-sessions.ts';
import { BdkDestruction1766201000000 } from './migrations/1766201000000-bdk-destruction.ts';
import { HsmLog1766202000000 } from './migrations/1766202000000-hsm-log.ts';
import { EntryRuns1766300000000 } from './migrations/1766300000000-entry-runs.ts';
import { CheapHistory1767100000000 } from './migrations/1767100000000-cheap-history.ts';

/** Migrations in order; an explicit list, so that node, jest and the container see the same one. */
export const migrations = [
  Initial1764000000000,
  TransparencyLog1764100000000,
  NodeLease1764200000000,
  BdkPolicy1764400000000,
  IncidentDecisions1764410000000,
  Witnesses1764500000000,
  AuditorSearches1764600000000,
  OperatorNames1764610000000,
  RecordLookups1764620000000,
  KsnWithItsBdk1764630000000,
  HotRows1764800000000,
  UnsealedGroups1764810000000,
  VacuumPace1764820000000,
  PersonNames1764900000000,
  LogArchive1765000000000,
  CompactAttempts1766000000000,
  SearchCovering1766100000000,
  BurnedKeys1766110000000,
  OperatorSessions1766200000000,
  BdkDestruction1766201000000,
  HsmLog1766202000000,
  EntryRuns1766300000000,
  CheapHistory1767100000000,
];

/** TypeORM brings the migrations and the connection pool; rows are read and written in SQL (docs/decisions.md). */
export function openDataSource(url: string, connections = 2): Promise<DataSource> {
  return new DataSource({
    type: 'postgres',
    url,
    entities: [],
    migrations,
    migrationsRun: false,
    synchronize: false,
    installExtensions: false,
    // Kept open: a new one costs a sign-in and plans every statement of the hot path anew.
    extra: { max: connections, idleTimeoutMillis: 0 },
  }).initialize();
}
