import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { consistencyProof, consistencyTiles, subtreeHashFromTiles } from '@openkdh/transparency-log';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database } from '../../database/database.ts';
import { openIncidents } from '../../incidents/incident.ts';
import { PeriodicTask } from '../../periodic-task.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { tileReader } from '../log/tile-reader.ts';
import { type CosignedCheckpoint, cosignedSize, newestCheckpoint, storeCosignature } from './cosignatures.ts';
import { judgeReply, type Standing, type Verdict } from './verdict.ts';
import { askWitness, type WitnessReply } from './witness-client.ts';
import type { WitnessAddress } from './witness-list.ts';

const INTERVAL_MILLISECONDS = 1_000;
/** How long a witness that did not cosign is left alone. */
const REST_MILLISECONDS = 2_000;

/** A witness and what is under way with it. */
interface Asked extends WitnessAddress {
  busy: boolean;
  /** Of Date.now(). */
  restsUntil: number;
}

/**
 * Shows the newest checkpoint to every witness and keeps their cosignatures. It runs beside the sealer and delays nothing:
 * all witnesses are shown the same checkpoint at once, and the next one when enough have cosigned or all have answered. One
 * that is slow is passed over meanwhile. Several nodes that do so at the same time do no harm.
 */
@Injectable()
export class Witnesses implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Witnesses');
  private readonly asked: Asked[];
  private readonly underWay = new Set<Promise<boolean>>();
  private readonly task = new PeriodicTask(
    { everyMilliseconds: INTERVAL_MILLISECONDS, logger: this.logger, failureEvent: 'witness.delayed' },
    () => this.showNewest(),
  );

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly identity: LogIdentity,
  ) {
    this.asked = config.KDH_WITNESSES.map((address) => ({ ...address, busy: false, restsUntil: 0 }));
  }

  onApplicationBootstrap(): void {
    if (this.asked.length > 0) this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.task.stop();
    await Promise.all(this.underWay);
  }

  private async showNewest(): Promise<void> {
    const newest = await newestCheckpoint(this.database);
    if (newest === undefined) return;
    const free = this.asked.filter(({ busy, restsUntil }) => !busy && restsUntil <= Date.now());
    await enough(
      free.map((witness) => this.show(witness, newest)),
      this.config.KDH_WITNESS_QUORUM,
    );
  }

  /** Whether the witness has cosigned the checkpoint; never rejects. */
  private show(witness: Asked, checkpoint: CosignedCheckpoint): Promise<boolean> {
    witness.busy = true;
    const showing = this.cosign(witness, checkpoint)
      .catch((error: Error) => {
        this.logger.warn({ event: 'witness.delayed', witness: witness.key.name, msg: error.message });
        return false;
      })
      .then((cosigned) => {
        if (!cosigned) witness.restsUntil = Date.now() + REST_MILLISECONDS;
        return cosigned;
      })
      .finally(() => {
        witness.busy = false;
        this.underWay.delete(showing);
      });
    this.underWay.add(showing);
    return showing;
  }

  private async cosign(witness: Asked, checkpoint: CosignedCheckpoint): Promise<boolean> {
    const cosigned = await cosignedSize(this.database, witness.keyText);
    if (cosigned === checkpoint.size) return true;
    // More than there is: perhaps another node was faster, perhaps checkpoints were taken away. The witness knows.
    const oldSize = cosigned < checkpoint.size ? cosigned : checkpoint.size;
    let { reply, verdict } = await this.ask(witness, checkpoint, oldSize);
    // It may have cosigned what never reached this database. Once more is enough.
    if (verdict.kind === 'ask again') {
      ({ reply, verdict } = await this.ask(witness, checkpoint, verdict.oldSize));
    }
    if (reply.kind === 'cosigned') {
      await storeCosignature(this.database, witness.keyText, checkpoint.size, reply);
      await this.note(witness, { state: 'AGREES', detail: '' });
      return true;
    }
    if (verdict.kind === 'standing') await this.note(witness, verdict);
    return false;
  }

  private async ask(
    witness: Asked,
    { size, note }: CosignedCheckpoint,
    oldSize: bigint,
  ): Promise<{ reply: WitnessReply; verdict: Verdict }> {
    const proof = await this.proofOfGrowth(oldSize, size);
    const reply = await askWitness(witness, { oldSize, proof, note }, this.identity.signer.key);
    const newest = await newestCheckpoint(this.database);
    return { reply, verdict: judgeReply(reply, { oldSize, size, newestSize: newest?.size ?? 0n }) };
  }

  private async proofOfGrowth(oldSize: bigint, size: bigint): Promise<Uint8Array[]> {
    if (oldSize === 0n) return [];
    const readTile = await tileReader(this.database, consistencyTiles(oldSize, size));
    return consistencyProof(oldSize, size, subtreeHashFromTiles(size, readTile));
  }

  /**
   * Keeps how a witness stands. That it contradicts this log is told once, as an incident, and stays until it agrees: an
   * alarm does not end because the witness cannot be reached any more.
   */
  private async note({ key, keyText }: WitnessAddress, { state, detail }: Standing): Promise<void> {
    const changed = await this.database.transaction(async (sql) => {
      const rows = await sql.query(
        `insert into log_witness (witness, state, detail) values ($1, $2, $3)
         on conflict (witness) do update set state = excluded.state, detail = excluded.detail, since = now()
           where log_witness.state <> excluded.state
             and (log_witness.state <> 'CONTRADICTS' or excluded.state = 'AGREES')
         returning 1`,
        [keyText, state, detail],
      );
      if (rows.length === 0) return false;
      if (state === 'CONTRADICTS') {
        const actor = `node:${this.config.KDH_NODE_ID}`;
        await openIncidents(sql, [
          { kind: 'LOG_CONTRADICTED', actor, detail: { witness: key.name, finding: detail } },
        ]);
      }
      return true;
    });
    if (!changed) return;
    const line = { event: `witness.${state.toLowerCase()}`, witness: key.name, msg: detail };
    if (state === 'CONTRADICTS') this.logger.error(line);
    else if (state === 'AGREES') this.logger.log(line);
    else this.logger.warn(line);
  }
}

/** Resolves once `wanted` of the promises have given true, or all have given something. */
function enough(promises: readonly Promise<boolean>[], wanted: number): Promise<void> {
  return new Promise((resolve) => {
    let missing = wanted;
    for (const promise of promises) {
      void promise.then((yes) => {
        if (yes && --missing === 0) resolve();
      });
    }
    void Promise.all(promises).then(() => resolve());
  });
}
