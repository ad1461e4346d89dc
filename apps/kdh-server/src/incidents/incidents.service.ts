import { Inject, Injectable } from '@nestjs/common';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { Problem } from '../http/problem.ts';
import { loadRefusal, requestFurtherLoads } from '../loads/further-loads.ts';
import { OutboxRelay } from '../loads/outbox-relay.ts';
import type { Operator } from '../operators/operators.ts';
import { withNames } from '../operators/person-names.ts';
import { changeTerminalState } from '../terminals/terminal-state.ts';
import type { DecideIncident, Incident, ListIncidents } from './incidents.schemas.ts';

const COLUMNS = `i.id, i.kind, i.terminal_id as "terminalId", t.serial, i.attempt_id as "attemptId", i.detail,
  i.opened_at as "openedAt", i.owner, i.closed_at as "closedAt", i.decision, i.decided_by as "decidedBy", i.reason,
  i.load_id as "loadId"`;

interface OpenIncident {
  kind: string;
  terminalId: string | null;
  attemptId: string | null;
}

/** Incidents in the hands of people: one takes an incident, and one decides it, once, with a reason. */
@Injectable()
export class IncidentsService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly relay: OutboxRelay,
  ) {}

  async list({ state, terminal, after, limit }: ListIncidents): Promise<Incident[]> {
    const parameters: unknown[] = [limit];
    const where = [
      state && `i.closed_at is ${state === 'OPEN' ? '' : 'not'} null`,
      terminal && `i.terminal_id = $${parameters.push(terminal)}`,
      after && `i.id > $${parameters.push(after)}`,
    ].filter(Boolean);
    const condition = where.length > 0 ? `where ${where.join(' and ')}` : '';
    const incidents = await this.database.query<Incident>(
      `select ${COLUMNS} from incident i left join terminal t on t.id = i.terminal_id ${condition} order by i.id limit $1`,
      parameters,
    );
    return withNames(this.database, incidents);
  }

  get(id: string): Promise<Incident> {
    return read(this.database, id);
  }

  /** Whose it is from now on; another may take it over. */
  take(id: string, by: Operator): Promise<Incident> {
    return this.database.transaction(async (sql) => {
      const incident = await lockOpen(sql, id);
      await sql.query('update incident set owner = $2 where id = $1', [id, by.actor]);
      await appendAuditEvents(sql, [eventOf('incident.taken', id, incident, by, {})]);
      return read(sql, id);
    });
  }

  /** Decides, does what was decided, and records both, or none of it. */
  async decide(id: string, { decision, reason }: DecideIncident, by: Operator): Promise<Incident> {
    const decided = await this.database
      .transaction(async (sql) => {
        const incident = await lockOpen(sql, id);
        let loadId: string | undefined;
        if (decision === 'REVOKE_TERMINAL') {
          await changeTerminalState(sql, {
            id: terminalOf(incident),
            to: 'REVOKED',
            reason,
            actor: by.actor,
          });
        }
        if (decision === 'LOAD_AGAIN') {
          const terminalIds = [terminalOf(incident)];
          const expirySeconds = this.config.KDH_LOAD_EXPIRY_SECONDS;
          const request = { terminalIds, reason, actor: by.actor, expirySeconds };
          loadId = (await requestFurtherLoads(sql, request))[0]?.id;
        }
        await sql.query(
          `update incident set decision = $2, reason = $3, decided_by = $4, load_id = $5, closed_at = now(),
             owner = coalesce(owner, $4) where id = $1`,
          [id, decision, reason, by.actor, loadId ?? null],
        );
        const body = { decision, reason, ...(loadId && { load: loadId }) };
        await appendAuditEvents(sql, [eventOf('incident.decided', id, incident, by, body)]);
        return read(sql, id);
      })
      .catch((error: unknown) => {
        throw loadRefusal(error);
      });
    if (decided.loadId) this.relay.wake();
    return decided;
  }
}

async function read(sql: Pick<Sql, 'query'>, id: string): Promise<Incident> {
  const [incident] = await sql.query<Incident>(
    `select ${COLUMNS} from incident i left join terminal t on t.id = i.terminal_id where i.id = $1`,
    [id],
  );
  if (!incident) throw new Problem(404, 'INCIDENT_UNKNOWN', 'no incident has this id');
  return withNames(sql, incident);
}

/** Two people who decide at once: the second finds it closed. */
async function lockOpen(sql: Sql, id: string): Promise<OpenIncident> {
  const [incident] = await sql.query<OpenIncident & { decision: string | null }>(
    `select kind, terminal_id as "terminalId", attempt_id as "attemptId", decision from incident where id = $1
     for update`,
    [id],
  );
  if (!incident) throw new Problem(404, 'INCIDENT_UNKNOWN', 'no incident has this id');
  if (incident.decision) throw new Problem(409, 'INCIDENT_CLOSED', `it was decided: ${incident.decision}`);
  return incident;
}

function terminalOf({ terminalId }: OpenIncident): string {
  if (terminalId !== null) return terminalId;
  throw new Problem(409, 'INCIDENT_WITHOUT_TERMINAL', 'it is about the log: decide FALSE_ALARM or SETTLED');
}

function eventOf(
  type: string,
  id: string,
  { kind, terminalId, attemptId }: OpenIncident,
  by: Operator,
  body: Record<string, unknown>,
) {
  return {
    type,
    actor: by.actor,
    terminalId: terminalId ?? undefined,
    attemptId: attemptId ?? undefined,
    body: { incident: id, kind, ...body },
  };
}
