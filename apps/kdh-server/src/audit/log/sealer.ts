import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import {
  CompactRange,
  consistencyProof,
  consistencyTiles,
  growTiles,
  leafHash,
  openCheckpoint,
  rootTiles,
  signCheckpoint,
  subtreeHashFromTiles,
  type Tile,
  verifyGrowth,
} from '@openkdh/transparency-log';
import { Database, type Sql } from '../../database/database.ts';
import { failpoint } from '../../failpoints.ts';
import { PeriodicTask } from '../../periodic-task.ts';
import { recordCheckValues } from '../check-values.ts';
import { entryOf, type StoredEvent } from './entry.ts';
import { insertEntryRuns } from './entry-runs.ts';
import { LogIdentity } from './log-identity.ts';
import { tileReader } from './tile-reader.ts';

/** An event is in a signed checkpoint about this long after its commit. */
const INTERVAL_MILLISECONDS = 1_000;

/**
 * A transaction seals the events of whole statements, each of some hundred at most, until it has this many: 16 bundles, which a node
 * under full load writes in less than a second.
 */
const EVENTS_PER_PASS = 4_096;

/**
 * Gives committed events dense indices in the log, writes the tiles, and signs a checkpoint with the key in the HSM.
 * Whoever holds the row of log_head is the sealer of the moment, so two do no harm; what a crash leaves half done was
 * never committed, and a checkpoint that was not signed is signed at the next pass.
 */
@Injectable()
export class Sealer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Sealer');
  private readonly task = new PeriodicTask(
    { everyMilliseconds: INTERVAL_MILLISECONDS, logger: this.logger, failureEvent: 'log.delayed' },
    () => this.run(),
  );

  constructor(
    private readonly database: Database,
    private readonly identity: LogIdentity,
  ) {}

  onApplicationBootstrap(): void {
    this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  private async run(): Promise<void> {
    while ((await this.seal()) >= EVENTS_PER_PASS);
    await this.publish();
  }

  /** Returns how many events got their index. */
  private seal(): Promise<number> {
    return this.database.transaction(async (sql) => {
      const [head] = await sql.query<{ size: bigint }>('select size from log_head for update skip locked');
      if (!head) return 0; // another node is at it
      const events = await takeUnsealed(sql);
      if (events.length === 0) return 0;
      sql.commitsAs('seal.assign');
      const entries = events.map(entryOf);
      await insertEntryRuns(
        sql,
        head.size,
        events.map(({ id }) => id),
        entries,
      );
      await recordCheckValues(sql, events);
      await this.grow(sql, head.size, entries.map(leafHash));
      await sql.query('update log_head set size = $1', [head.size + BigInt(entries.length)]);
      return entries.length;
    });
  }

  private async grow(sql: Sql, size: bigint, leafHashes: Uint8Array[]): Promise<void> {
    // At most one partial tile for each level is read: the last ones.
    const readTile = await tileReader(sql, size === 0n ? [] : lastTiles(size));
    for (const { tile, bytes } of growTiles(size, readTile, leafHashes)) {
      await sql.query(
        `insert into log_tile (level, tile_index, bytes) values ($1, $2, $3)
         on conflict (level, tile_index) do update set bytes = excluded.bytes`,
        [tile.level, tile.index, bytes],
        'keep-tile',
      );
    }
  }

  /** Signs the head, unless it is signed; never one that does not continue the last checkpoint. */
  private async publish(): Promise<void> {
    const [head] = await this.database.query<{ size: bigint }>('select size from log_head');
    const [last] = await this.database.query<{ size: bigint; note: Buffer }>(
      'select size, note from log_checkpoint order by size desc limit 1',
    );
    const size = head?.size ?? 0n;
    if (size === 0n || last?.size === size) return;
    const readTile = await tileReader(this.database, [
      ...rootTiles(size),
      ...(last ? consistencyTiles(last.size, size) : []),
    ]);
    const subtreeHash = subtreeHashFromTiles(size, readTile);
    const root = CompactRange.read(size, subtreeHash).root();
    const checkpoint = { origin: this.identity.origin, size, root };
    if (last) {
      const trust = {
        origin: this.identity.origin,
        logKeys: [this.identity.signer.key],
        witnesses: [],
        quorum: 0,
      };
      verifyGrowth(
        openCheckpoint(last.note, trust).checkpoint,
        checkpoint,
        consistencyProof(last.size, size, subtreeHash),
      );
    }
    const note = await failpoint('checkpoint.sign', () => signCheckpoint(checkpoint, this.identity.signer));
    await failpoint('checkpoint.publish', () =>
      this.database.query('insert into log_checkpoint (size, note) values ($1, $2) on conflict do nothing', [
        size,
        Buffer.from(note),
      ]),
    );
    this.logger.log({ event: 'log.checkpoint', size });
  }
}

/**
 * Events that have committed and are in no tree yet; in the order of their ids among themselves. Looked up by an array of
 * ids: for a join the planner may read all events there are.
 */
async function takeUnsealed(sql: Sql): Promise<StoredEvent[]> {
  return sql.query<StoredEvent>(
    `with waiting as (
       select id, sum(cardinality(event_ids)) over (order by id) - cardinality(event_ids) as before
       from (select id, event_ids from audit_unsealed order by id limit $1) oldest
     ), taken as (
       delete from audit_unsealed where id in (select id from waiting where before < $1) returning event_ids
     )
     select e.id, to_char(e.time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time, e.type, e.actor,
       e.terminal_id as "terminalId", e.attempt_id as "attemptId", e.body
     from audit_event e where e.id = any(array(select unnest(event_ids) from taken)) order by e.id`,
    [EVENTS_PER_PASS],
    'take-unsealed',
  );
}

/** The last tile of every level of a log of this size. */
function lastTiles(size: bigint): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0, hashes = size; hashes > 0n; level++, hashes /= 256n) {
    const width = Number(hashes % 256n);
    if (width > 0) tiles.push({ level, index: hashes / 256n, width });
  }
  return tiles;
}
