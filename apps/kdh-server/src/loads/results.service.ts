import { Inject, Injectable, Logger } from '@nestjs/common';
import type { LoadAck, LoadResult } from '@openkdh/terminal-protocol';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { GroupCommit } from '../database/group-commit.ts';
import { failpoint } from '../failpoints.ts';
import { type IncidentKind, type NewIncident, openIncidents } from '../incidents/incident.ts';
import { KBPK_AES } from '../profiles/profile.ts';
import type { LiveSession } from '../sessions/session-registry.ts';
import { after, transition } from './attempt.ts';
import { applyMoves, attemptOf, type Move } from './attempt-store.ts';
import { requestFirstLoads } from './first-load.ts';
import { OutboxRelay } from './outbox-relay.ts';
import { type ExpectedResult, judgeResult, type Verdict } from './result.ts';

interface AttemptRow extends Omit<ExpectedResult, 'nonceK2'> {
  id: string;
  version: number;
  terminalId: string;
  nonceK2: Buffer;
}

interface ReceivedResult {
  session: LiveSession;
  result: LoadResult;
}

export interface Judgement {
  verdict: Verdict['kind'];
  ack: LoadAck['verdict'];
}

/**
 * Step 4 of a load: what a terminal reports, signed, is judged against what was sent and written together with its
 * audit events in one transaction. The caller acknowledges to the terminal only after this returns.
 */
@Injectable()
export class ResultsService {
  private readonly logger = new Logger('Results');
  private readonly commits = new GroupCommit<ReceivedResult, Judgement>((items) => this.commit(items));

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly relay: OutboxRelay,
  ) {}

  /** `result`: its signature has been verified with the session's signing key. */
  async record(session: LiveSession, result: LoadResult): Promise<Judgement> {
    const judgement = await failpoint('result.received', () => this.commits.add({ session, result }));
    this.logger.log({
      event: 'result.recorded',
      attempt: result.attempt,
      serial: session.serial,
      verdict: judgement.verdict,
    });
    return judgement;
  }

  private commit(items: ReceivedResult[]): Promise<Judgement[]> {
    return this.database.transaction(async (sql) => {
      await lockTerminalsOfFirstKeys(sql, items);
      // Two results of one attempt must be judged one after the other; the second waits for the next commit.
      const rows = new Map((await readAttempts(sql, items)).map((row) => [row.id, row]));
      const seen = new Set<string>();
      const judged = items.map(({ session, result }) => {
        const row = rows.get(result.attempt);
        if (!row || row.terminalId !== session.terminalId) return { verdict: { kind: 'unknown' } as Verdict };
        if (seen.has(row.id)) throw new SameAttemptTwice();
        seen.add(row.id);
        const expected = { ...row, nonceK2: row.nonceK2.toString('base64') };
        return { row, verdict: judgeResult(expected, result) };
      });
      const moves = judged.map(
        ({ row, verdict }, index) => row && moveOf(row, verdict, items[index] as ReceivedResult),
      );
      const moved = await applyMoves(
        sql,
        moves.filter((move) => move !== undefined),
      );
      if (moved.size > 0) sql.commitsAs('confirm.commit');
      const settled = judged.map(({ row, verdict }, index) => ({
        ...(items[index] as ReceivedResult),
        row,
        verdict,
        moved: row !== undefined && moved.has(row.id),
      }));
      await openIncidents(sql, incidentsOf(settled));
      await this.takeKbpksIntoUse(
        sql,
        settled.filter(({ row, moved, verdict }) => moved && verdict.kind === 'match' && bringsKbpk(row)),
      );
      return settled.map(({ verdict }) => ({ verdict: verdict.kind, ack: ackOf(verdict) }));
    });
  }

  /** With its first KBPK a terminal can take its profile's keys: it gets its first load in the same transaction. */
  private async takeKbpksIntoUse(sql: Sql, confirmed: Settled[]): Promise<void> {
    if (confirmed.length === 0) return;
    await confirmKbpks(
      sql,
      confirmed.map(({ result }) => result.attempt),
    );
    await requestFirstLoads(
      sql,
      confirmed.map(({ session }) => session.terminalId),
      { expirySeconds: this.config.KDH_LOAD_EXPIRY_SECONDS },
    );
    sql.afterCommit(() => this.relay.wake());
  }
}

class SameAttemptTwice extends Error {}

/** Their first loads are requested in the same transaction, and terminals are locked before attempts. */
async function lockTerminalsOfFirstKeys(sql: Sql, items: ReceivedResult[]): Promise<void> {
  const first = items.filter(({ result }) => result.results.some(({ slot }) => slot === KBPK_AES));
  if (first.length === 0) return;
  await sql.query('select 1 from terminal where id = any($1::uuid[]) order by id for no key update', [
    first.map(({ session }) => session.terminalId),
  ]);
}

/** Locked in the order of their ids; what else changes an attempt waits for our commit. */
function readAttempts(sql: Sql, items: ReceivedResult[]): Promise<AttemptRow[]> {
  return sql.query<AttemptRow>(
    `select a.id, a.state, a.version, a.terminal_id as "terminalId", a.plan_hash as "planHash",
       a.nonce_k2 as "nonceK2", a.sent_epochs as "sentEpochs", a.result as recorded,
       (select jsonb_agg(jsonb_build_object('slot', k.slot, 'kcv', k.kcv_expected, 'ksn', k.ksn) order by k.position)
         from attempt_key k where k.attempt_id = a.id) as keys
     from attempt a where a.id = any($1::uuid[]) order by a.id for no key update`,
    [items.map(({ result }) => result.attempt)],
    'read-attempts-for-result',
  );
}

function moveOf(row: AttemptRow, verdict: Verdict, { session, result }: ReceivedResult): Move | undefined {
  const closing = { match: 'match', differ: 'differ', refused: 'terminalRefuses' } as const;
  if (verdict.kind !== 'match' && verdict.kind !== 'differ' && verdict.kind !== 'refused') return undefined;
  const received = transition(attemptOf(row), 'receiveResult');
  return {
    steps: [received, transition(after(received), closing[verdict.kind])],
    actor: `terminal:${session.serial}`,
    result,
    ...('reasonCode' in verdict && { reasonCode: verdict.reasonCode }),
    body: { epoch: result.epoch, results: result.results },
  };
}

function ackOf(verdict: Verdict): LoadAck['verdict'] {
  switch (verdict.kind) {
    case 'match':
      return 'ACCEPTED';
    case 'duplicate':
      return verdict.accepted ? 'ACCEPTED' : 'MISMATCH';
    case 'differ':
    case 'refused':
    case 'contradiction':
      return 'MISMATCH';
    case 'late':
    case 'unknown':
      return 'UNKNOWN';
  }
}

type Settled = ReceivedResult & { row: AttemptRow | undefined; verdict: Verdict; moved: boolean };

/** A KBPK has no KSN; every other key has one. */
function bringsKbpk(row: AttemptRow | undefined): boolean {
  return row?.keys.some(({ ksn }) => ksn === null) ?? false;
}

const incidentKinds: Partial<Record<Verdict['kind'], IncidentKind>> = {
  differ: 'RESULT_MISMATCH',
  contradiction: 'RESULT_CONTRADICTION',
  late: 'LATE_RESULT',
};

function incidentsOf(settled: Settled[]): NewIncident[] {
  return settled.flatMap(({ session, result, verdict, row }) => {
    const kind = incidentKinds[verdict.kind];
    if (!kind || !row) return [];
    return {
      kind,
      terminalId: session.terminalId,
      attemptId: result.attempt,
      actor: `terminal:${session.serial}`,
      detail: {
        verdict: verdict.kind,
        ...('reasonCode' in verdict && { reasonCode: verdict.reasonCode }),
      },
    };
  });
}

/** The KBPKs of confirmed attempts take effect; the ones that they replace retire. */
async function confirmKbpks(sql: Sql, attemptIds: string[]): Promise<void> {
  await sql.query(
    `update terminal_kbpk old set retired_at = now() from terminal_kbpk new
     where new.attempt_id = any($1::uuid[]) and old.terminal_id = new.terminal_id and old.slot = new.slot
       and old.id <> new.id and old.confirmed_at is not null and old.retired_at is null`,
    [attemptIds],
  );
  await sql.query(
    'update terminal_kbpk set confirmed_at = now() where attempt_id = any($1::uuid[]) and confirmed_at is null',
    [attemptIds],
  );
}
