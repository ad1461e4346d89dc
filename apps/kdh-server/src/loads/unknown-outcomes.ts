import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '../database/database.ts';
import { SignalListener } from '../database/signals.ts';
import { type LiveSession, SessionRegistry } from '../sessions/session-registry.ts';
import { type AttemptState, allows, transition } from './attempt.ts';
import { applyMoves, attemptOf } from './attempt-store.ts';
import { Dispatcher } from './dispatcher.ts';

/** Step 5 of a load: an attempt whose outcome only the terminal knows (F6–F9). */
@Injectable()
export class UnknownOutcomes implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly dispatcher: Dispatcher,
    private readonly sessions: SessionRegistry,
    private readonly signals: SignalListener,
  ) {}

  /** Whichever node swept the attempt, the one that holds the terminal asks; a terminal that comes later is asked then. */
  onModuleInit(): void {
    this.signals.on('unanswered', (attempts) => {
      for (const { attemptId, terminalId } of attempts) {
        this.sessions.get(terminalId)?.send({ t: 'QUERY', b: { attempt: attemptId } });
      }
    });
  }

  /** The terminal answered QUERY: it holds nothing of this attempt. The same bytes are sent again. */
  async terminalDoesNotKnow(session: LiveSession, attemptId: string): Promise<void> {
    const moved = await this.database.transaction(async (sql) => {
      const [row] = await sql.query<{ id: string; state: AttemptState; version: number }>(
        'select id, state, version from attempt where id = $1 and terminal_id = $2 for no key update',
        [attemptId, session.terminalId],
      );
      if (!row || !allows(row.state, 'terminalDoesNotKnow')) return false;
      sql.commitsAs('unknown.resolve');
      const step = transition(attemptOf(row), 'terminalDoesNotKnow');
      return (await applyMoves(sql, [{ steps: [step], actor: `terminal:${session.serial}` }])).has(attemptId);
    });
    this.dispatcher.answered(attemptId, session);
    if (moved) this.dispatcher.wake([{ attemptId, terminalId: session.terminalId }]);
  }
}
