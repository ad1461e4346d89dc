import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { HSM } from '../hsm/hsm.ts';
import { isFinal } from '../loads/attempt.ts';
import { DERIVE_QUEUE, type DeriveQueue } from '../queue/queue.ts';
import { TerminalListener } from '../sessions/terminal-listener.ts';
import type { Readiness, Status } from './health.schemas.ts';

const CHECK_MILLISECONDS = 2_000;

@Injectable()
export class HealthService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HSM) private readonly hsm: Hsm,
    @Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue,
    private readonly database: Database,
    @Optional() private readonly listener?: TerminalListener,
  ) {}

  /** Ready means able to do this node's part of a load, now. */
  async readiness(): Promise<Readiness> {
    const [database, queue, hsm] = await Promise.all([
      succeeds(this.database.query('select 1')),
      succeeds(this.queue.ping()),
      succeeds(this.hsm.diagnostics()),
    ]);
    const checks = {
      database,
      queue,
      hsm,
      ...(this.listener && { terminals: this.listener.port > 0 ? ('ok' as const) : ('failed' as const) }),
    };
    return { ready: Object.values(checks).every((check) => check === 'ok'), checks };
  }

  async status(): Promise<Status> {
    const [[terminals], attempts, [incidents], hsm] = await Promise.all([
      this.database.query<{ enrolled: number; bound: number; connected: number }>(
        `select count(*)::int as enrolled, count(bound_at)::int as bound,
           (select count(*)::int from terminal_session where closed_at is null) as connected from terminal`,
      ),
      this.database.query<{ kind: string; state: keyof Status['attempts']; count: number }>(
        'select kind, state, count(*)::int as count from attempt group by kind, state',
      ),
      this.database.query<{ open: number }>(
        'select count(*)::int as open from incident where closed_at is null',
      ),
      this.hsm.diagnostics().catch(() => null),
    ]);
    const keys = attempts.filter((row) => row.kind === 'KEYS');
    const sum = (rows: typeof attempts) => rows.reduce((total, row) => total + row.count, 0);
    const byState: Status['attempts'] = {};
    for (const { state, count } of attempts) byState[state] = (byState[state] ?? 0) + count;
    return {
      node: this.config.KDH_NODE_ID,
      hsm: hsm && { name: this.hsm.name, ...hsm },
      terminals: terminals as Status['terminals'],
      loads: {
        requested: sum(keys),
        confirmed: sum(keys.filter((row) => row.state === 'CONFIRMED')),
        open: sum(keys.filter((row) => !isFinal(row.state))),
        failed: sum(keys.filter((row) => isFinal(row.state) && row.state !== 'CONFIRMED')),
      },
      attempts: byState,
      incidents: incidents as Status['incidents'],
    };
  }
}

async function succeeds(check: Promise<unknown>): Promise<'ok' | 'failed'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'failed'>((resolve) => {
    timer = setTimeout(() => resolve('failed'), CHECK_MILLISECONDS);
  });
  try {
    return await Promise.race([check.then(() => 'ok' as const), late]);
  } catch {
    return 'failed';
  } finally {
    clearTimeout(timer);
  }
}
