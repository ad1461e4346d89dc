import { Injectable } from '@nestjs/common';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database } from '../database/database.ts';
import type { Operator } from './operators.ts';

/** A token that was not used from an address for so long signs in again (docs/decisions.md, 25). */
const IDLE_MINUTES = 30;

/** For so long this node does not ask the database again who is signed in. */
const REMEMBERED_MILLISECONDS = 60_000;

/**
 * When each operator came, and from where. A token is sent with every request, so a sign-in is its first use from an address, or
 * the first after half an hour. Who is signed in stands in the database: several nodes record one sign-in once.
 */
@Injectable()
export class SignIns {
  private readonly remembered = new Map<string, number>();

  constructor(private readonly database: Database) {}

  /** The operator sends a request. Records `operator.signed-in` if that is a sign-in; a request whose sign-in cannot be recorded fails. */
  note(by: Operator, address: string): Promise<void> {
    return this.once(`sign-in ${by.id} ${address}`, () =>
      this.database.transaction(async (sql) => {
        const [session] = await sql.query<{ isNew: boolean }>(
          `insert into operator_session as s (operator_id, address) values ($1, $2)
           on conflict (operator_id, address) do update set seen_at = now(),
             signed_in_at = case when s.seen_at < now() - $3 * interval '1 minute' then now() else s.signed_in_at end
           returning signed_in_at = now() as "isNew"`,
          [by.id, address, IDLE_MINUTES],
        );
        if (!session?.isNew) return;
        await appendAuditEvents(sql, [
          { type: 'operator.signed-in', actor: by.actor, body: { ...(address && { address }) } },
        ]);
      }),
    );
  }

  /** The operator reads entries of the log: `history.exported`, once for each sign-in, since an export reads thousands of tiles. */
  noteLogRead(by: Operator, address: string): Promise<void> {
    return this.once(`log ${by.id} ${address}`, () =>
      this.database.transaction(async (sql) => {
        const first = await sql.query(
          `update operator_session set log_read_at = now()
           where operator_id = $1 and address = $2 and (log_read_at is null or log_read_at < signed_in_at)
           returning operator_id`,
          [by.id, address],
        );
        if (first.length === 0) return;
        await appendAuditEvents(sql, [
          { type: 'history.exported', actor: by.actor, body: { what: 'log', ...(address && { address }) } },
        ]);
      }),
    );
  }

  private async once(act: string, record: () => Promise<void>): Promise<void> {
    const now = Date.now();
    if (now - (this.remembered.get(act) ?? 0) < REMEMBERED_MILLISECONDS) return;
    await record();
    this.remembered.delete(act);
    this.remembered.set(act, now); // the last one stands last
    for (const [earlier, at] of this.remembered) {
      if (now - at < REMEMBERED_MILLISECONDS) break;
      this.remembered.delete(earlier);
    }
  }
}
