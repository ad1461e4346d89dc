import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import { requestAttempts } from './load-requests.ts';
import type { CreateLoad, Load } from './loads.schemas.ts';
import { OutboxRelay } from './outbox-relay.ts';

/** Loads that people ask for; the first load of a terminal comes by itself (first-load.ts). */
@Injectable()
export class LoadsService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly relay: OutboxRelay,
  ) {}

  async create({ terminalId, reason }: CreateLoad, by: Operator): Promise<Load> {
    try {
      const id = await this.database.transaction(async (sql) => {
        const [terminal] = await sql.query<{ state: string; profileId: string; profileVersion: number }>(
          `select t.state, t.profile_id as "profileId", p.version as "profileVersion"
           from terminal t join profile p on p.id = t.profile_id where t.id = $1 for no key update of t`,
          [terminalId],
        );
        if (!terminal) throw new Problem(404, 'TERMINAL_UNKNOWN', 'no terminal has this id');
        if (terminal.state !== 'ACTIVE')
          throw new Problem(409, 'TERMINAL_STATE', `the terminal is ${terminal.state}`);
        const [attempt] = await requestAttempts(
          sql,
          [
            {
              terminalId,
              kind: 'KEYS',
              profileId: terminal.profileId,
              profileVersion: terminal.profileVersion,
              requestedBy: `operator:${by.name}`,
              reason,
            },
          ],
          { expirySeconds: this.config.KDH_LOAD_EXPIRY_SECONDS },
        );
        return attempt!.loadId;
      });
      this.relay.wake();
      return await this.get(id);
    } catch (error) {
      if (violates(error, 'attempt_one_open')) {
        throw new Problem(409, 'LOAD_OPEN', 'this terminal has a load under way; wait for its end');
      }
      throw error;
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
