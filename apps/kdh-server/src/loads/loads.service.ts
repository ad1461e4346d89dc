import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { Problem } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import { loadRefusal, requestFurtherLoads } from './further-loads.ts';
import type { Load } from './loads.schemas.ts';
import { OutboxRelay } from './outbox-relay.ts';

/** Loads that people ask for; the first load of a terminal comes by itself (first-load.ts). */
@Injectable()
export class LoadsService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly relay: OutboxRelay,
  ) {}

  /** A further load of each terminal, or of none of them; the refusal names the terminal that stands in the way. */
  async create(terminalIds: string[], reason: string, by: Operator): Promise<Load[]> {
    try {
      const loads = await this.database.transaction(async (sql) => {
        sql.commitsAs('outbox.insert');
        return requestFurtherLoads(sql, {
          terminalIds,
          reason,
          actor: by.actor,
          expirySeconds: this.config.KDH_LOAD_EXPIRY_SECONDS,
        });
      });
      this.relay.wake();
      return loads;
    } catch (error) {
      throw loadRefusal(error);
    }
  }

  async get(id: string): Promise<Load> {
    const [load] = await this.database.query<Load>(
      `select load_id as id, terminal_id as "terminalId", profile_id as "profileId",
         jsonb_agg(jsonb_build_object('id', id, 'number', number, 'state', state, 'reasonCode', reason_code)
           order by number) as attempts
       from attempt where load_id = $1 group by load_id, terminal_id, profile_id`,
      [id],
    );
    if (!load) throw new Problem(404, 'LOAD_UNKNOWN', 'no load has this id');
    return load;
  }
}
