import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import { requestAttempts } from './load-requests.ts';
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
      const ids = await this.database.transaction(async (sql) => {
        sql.commitsAs('outbox.insert');
        const terminals = await sql.query<TerminalRow>(
          `select t.id, t.serial, t.state, t.profile_id as "profileId", p.version as "profileVersion"
           from terminal t join profile p on p.id = t.profile_id
           where t.id = any($1::uuid[]) order by t.id for no key update of t`,
          [terminalIds],
        );
        requireActive(terminalIds, terminals);
        const attempts = await requestAttempts(
          sql,
          terminals.map(({ id, profileId, profileVersion }) => ({
            terminalId: id,
            kind: 'KEYS',
            profileId,
            profileVersion,
            requestedBy: `operator:${by.name}`,
            reason,
          })),
          { expirySeconds: this.config.KDH_LOAD_EXPIRY_SECONDS },
        );
        return attempts.map(({ loadId }) => loadId);
      });
      this.relay.wake();
      return await this.read(ids);
    } catch (error) {
      if (!violates(error, 'attempt_one_open')) throw error;
      const [terminal] = /[0-9a-f-]{36}/.exec((error as { detail?: string }).detail ?? '') ?? [];
      throw new Problem(409, 'LOAD_OPEN', `terminal ${terminal} has a load under way; wait for its end`);
    }
  }

  async get(id: string): Promise<Load> {
    const [load] = await this.read([id]);
    if (!load) throw new Problem(404, 'LOAD_UNKNOWN', 'no load has this id');
    return load;
  }

  private read(ids: string[]): Promise<Load[]> {
    return this.database.query<Load>(
      `select load_id as id, terminal_id as "terminalId", profile_id as "profileId",
         jsonb_agg(jsonb_build_object('id', id, 'number', number, 'state', state, 'reasonCode', reason_code)
           order by number) as attempts
       from attempt where load_id = any($1::uuid[]) group by load_id, terminal_id, profile_id`,
      [ids],
    );
  }
}

interface TerminalRow {
  id: string;
  serial: string;
  state: string;
  profileId: string;
  profileVersion: number;
}

function requireActive(terminalIds: string[], terminals: TerminalRow[]): void {
  const unknown = terminalIds.find((id) => !terminals.some((terminal) => terminal.id === id));
  if (unknown) throw new Problem(404, 'TERMINAL_UNKNOWN', `no terminal has the id ${unknown}`);
  const inactive = terminals.find(({ state }) => state !== 'ACTIVE');
  if (inactive) throw new Problem(409, 'TERMINAL_STATE', `terminal ${inactive.serial} is ${inactive.state}`);
}
